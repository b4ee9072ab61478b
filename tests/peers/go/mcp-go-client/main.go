// Runs a plan against an MCP server with mcp-go, and prints the outcomes.
package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"

	"mcp-observability/tests/peers/go/plan"
)

type session struct {
	*client.Client
	plan.Progress
	*plan.Roots
}

type model struct{}

func (model) CreateMessage(context.Context, mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
	content := mcp.SamplingMessage{Role: mcp.RoleAssistant, Content: mcp.NewTextContent("an answer")}
	return &mcp.CreateMessageResult{SamplingMessage: content, Model: "m"}, nil
}

type roots struct{ *plan.Roots }

func (r roots) ListRoots(context.Context, mcp.ListRootsRequest) (*mcp.ListRootsResult, error) {
	r.Asked()
	return &mcp.ListRootsResult{Roots: []mcp.Root{{URI: plan.Root, Name: "here"}}}, nil
}

func main() { plan.Main(open) }

func open(ctx context.Context, wanted plan.Plan) (plan.Session, error) {
	carrier, err := newTransport(wanted)
	if err != nil {
		return nil, err
	}
	asked := plan.NewRoots()
	options := []client.ClientOption{client.WithSamplingHandler(model{}), client.WithRootsHandler(roots{asked})}
	if revision := wanted.Revision(); revision != "" {
		options = append(options, client.WithProtocolVersion(revision))
	}
	opened := &session{Client: client.NewClient(carrier, options...), Roots: asked}
	opened.OnNotification(func(notification mcp.JSONRPCNotification) {
		if notification.Method == "notifications/progress" {
			opened.Told(notification.Params.AdditionalFields["progressToken"])
		}
	})
	if err := opened.Start(ctx); err != nil {
		return nil, err
	}
	request := mcp.InitializeRequest{}
	request.Params.ClientInfo = mcp.Implementation{Name: "mcp-go", Version: "1"}
	request.Params.ProtocolVersion = wanted.Revision()
	_, err = opened.Initialize(ctx, request)
	return opened, err
}

func newTransport(wanted plan.Plan) (transport.Interface, error) {
	if wanted.Transport == "http_sse" {
		return transport.NewSSE(wanted.URL)
	}
	if wanted.Mode != "legacy" {
		return transport.NewStreamableHTTP(wanted.URL)
	}
	// With a GET stream, which carries the server requests.
	return transport.NewStreamableHTTP(wanted.URL, transport.WithContinuousListening())
}

func (s *session) Do(ctx context.Context, operation plan.Operation, onProgress func()) (isError bool, err error) {
	token := s.Expect(onProgress)
	switch operation.Method {
	case "ping":
		err = s.Ping(ctx)
	case "tools/list":
		_, err = s.ListTools(ctx, mcp.ListToolsRequest{})
	case "resources/list":
		_, err = s.ListResources(ctx, mcp.ListResourcesRequest{})
	case "resources/templates/list":
		_, err = s.ListResourceTemplates(ctx, mcp.ListResourceTemplatesRequest{})
	case "prompts/list":
		_, err = s.ListPrompts(ctx, mcp.ListPromptsRequest{})
	case "resources/read":
		request := mcp.ReadResourceRequest{}
		request.Params.URI = operation.Name
		_, err = s.ReadResource(ctx, request)
	case "prompts/get":
		request := mcp.GetPromptRequest{}
		request.Params.Name, request.Params.Arguments = operation.Name, map[string]string{}
		for name, value := range operation.Arguments {
			request.Params.Arguments[name] = fmt.Sprint(value)
		}
		_, err = s.GetPrompt(ctx, request)
	case "tools/call":
		return s.call(ctx, operation, token)
	default:
		err = errors.New("no such operation")
	}
	return false, err
}

func (s *session) call(ctx context.Context, operation plan.Operation, token string) (bool, error) {
	request := mcp.CallToolRequest{}
	request.Params.Name, request.Params.Arguments = operation.Name, operation.Arguments
	if operation.Progress {
		request.Params.Meta = &mcp.Meta{ProgressToken: token}
	}
	result, err := s.CallTool(ctx, request)
	return err == nil && result.IsError, err
}

// Code returns the code of an error for which mcp-go has a Go error. For other codes mcp-go returns only the message; they are 0.
func (*session) Code(err error) (int, bool) {
	codes := map[error]int{
		mcp.ErrParseError:       mcp.PARSE_ERROR,
		mcp.ErrInvalidRequest:   mcp.INVALID_REQUEST,
		mcp.ErrMethodNotFound:   mcp.METHOD_NOT_FOUND,
		mcp.ErrInvalidParams:    mcp.INVALID_PARAMS,
		mcp.ErrInternalError:    mcp.INTERNAL_ERROR,
		mcp.ErrResourceNotFound: mcp.RESOURCE_NOT_FOUND,
	}
	for known, code := range codes {
		if errors.Is(err, known) {
			return code, true
		}
	}
	var broken *transport.Error
	return 0, !errors.As(err, &broken)
}
