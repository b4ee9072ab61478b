// Runs a plan against an MCP server with the official Go SDK, and prints the outcomes.
package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"mcp-observability/tests/peers/go/plan"
)

type session struct {
	*mcp.ClientSession
	plan.Progress
	*plan.Roots
}

func main() { plan.Main(open) }

func open(ctx context.Context, wanted plan.Plan) (plan.Session, error) {
	opened := &session{Roots: plan.NewRoots()}
	options := &mcp.ClientOptions{
		CreateMessageHandler: askModel,
		ProgressNotificationHandler: func(_ context.Context, told *mcp.ProgressNotificationClientRequest) {
			opened.Told(told.Params.ProgressToken)
		},
	}
	if wanted.Listens {
		options.ToolListChangedHandler = func(context.Context, *mcp.ToolListChangedRequest) {}
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "go-sdk", Version: "1"}, options)
	client.AddRoots(&mcp.Root{URI: plan.Root, Name: "here"})
	client.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, request mcp.Request) (mcp.Result, error) {
			if method == "roots/list" {
				opened.Asked()
			}
			return next(ctx, method, request)
		}
	})
	var transport mcp.Transport = &mcp.StreamableClientTransport{Endpoint: wanted.URL}
	if wanted.Transport == "http_sse" {
		transport = &mcp.SSEClientTransport{Endpoint: wanted.URL}
	}
	var err error
	opened.ClientSession, err = client.Connect(ctx, transport, &mcp.ClientSessionOptions{ProtocolVersion: wanted.Revision()})
	return opened, err
}

func askModel(_ context.Context, request *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
	if text, ok := request.Params.Messages[0].Content.(*mcp.TextContent); ok && strings.Contains(text.Text, "refuse") {
		return nil, &jsonrpc.Error{Code: -1, Message: "this model is refused"}
	}
	return &mcp.CreateMessageResult{Role: "assistant", Model: "m", Content: &mcp.TextContent{Text: "an answer"}}, nil
}

func (s *session) Do(ctx context.Context, operation plan.Operation, onProgress func()) (isError bool, err error) {
	token := s.Expect(onProgress)
	switch operation.Method {
	case "ping":
		err = s.Ping(ctx, nil)
	case "tools/list":
		_, err = s.ListTools(ctx, nil)
	case "resources/list":
		_, err = s.ListResources(ctx, nil)
	case "resources/templates/list":
		_, err = s.ListResourceTemplates(ctx, nil)
	case "prompts/list":
		_, err = s.ListPrompts(ctx, nil)
	case "resources/read":
		_, err = s.ReadResource(ctx, &mcp.ReadResourceParams{URI: operation.Name})
	case "prompts/get":
		arguments := map[string]string{}
		for name, value := range operation.Arguments {
			arguments[name] = fmt.Sprint(value)
		}
		_, err = s.GetPrompt(ctx, &mcp.GetPromptParams{Name: operation.Name, Arguments: arguments})
	case "tools/call":
		return s.call(ctx, operation, token)
	default:
		err = errors.New("no such operation")
	}
	return false, err
}

func (s *session) call(ctx context.Context, operation plan.Operation, token string) (bool, error) {
	params := &mcp.CallToolParams{Name: operation.Name, Arguments: operation.Arguments}
	if operation.Progress {
		params.SetProgressToken(token)
	}
	result, err := s.CallTool(ctx, params)
	return err == nil && result.IsError, err
}

func (*session) Code(err error) (int, bool) {
	var refused *jsonrpc.Error
	if !errors.As(err, &refused) {
		return 0, false
	}
	return int(refused.Code), true
}
