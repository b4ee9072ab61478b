// An MCP server on the official Go SDK, for the tests. The environment variable PORT is its port.
//
// It serves Streamable HTTP at three paths: /mcp with sessions and an event store, /json with JSON responses, /modern without
// sessions, as in 2026-07-28. At /sse it serves HTTP+SSE.
package main

import (
	"context"
	"errors"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

type nothing struct{}

func main() {
	server := newServer()
	get := func(*http.Request) *mcp.Server { return server }
	http.Handle("/mcp", mcp.NewStreamableHTTPHandler(get, &mcp.StreamableHTTPOptions{EventStore: mcp.NewMemoryEventStore(nil)}))
	http.Handle("/json", mcp.NewStreamableHTTPHandler(get, &mcp.StreamableHTTPOptions{JSONResponse: true}))
	http.Handle("/modern", mcp.NewStreamableHTTPHandler(get, &mcp.StreamableHTTPOptions{Stateless: true, PropagateRequestCancellation: true}))
	http.Handle("/sse", mcp.NewSSEHandler(get, nil))
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}

func newServer() *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "go-sdk", Version: "1"}, nil)
	addTools(server)
	server.AddResource(&mcp.Resource{URI: "notes://today", Name: "today"}, read)
	server.AddResourceTemplate(&mcp.ResourceTemplate{URITemplate: "notes://{day}/page", Name: "page"}, read)
	summary := &mcp.Prompt{Name: "summary", Arguments: []*mcp.PromptArgument{{Name: "topic"}}}
	server.AddPrompt(summary, func(_ context.Context, request *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		content := &mcp.TextContent{Text: "Summarise " + request.Params.Arguments["topic"] + "."}
		return &mcp.GetPromptResult{Messages: []*mcp.PromptMessage{{Role: "user", Content: content}}}, nil
	})
	return server
}

func addTools(server *mcp.Server) {
	type echo struct {
		Text string `json:"text"`
	}
	type slow struct {
		Milliseconds int `json:"milliseconds"`
	}
	type big struct {
		Size int `json:"size"`
	}
	add(server, "echo", "Answers with the text it was given.", func(_ context.Context, _ *mcp.CallToolRequest, in echo) (string, error) {
		return in.Text, nil
	})
	add(server, "slow", "Answers after a while.", func(_ context.Context, _ *mcp.CallToolRequest, in slow) (string, error) {
		time.Sleep(time.Duration(in.Milliseconds) * time.Millisecond)
		return "late", nil
	})
	add(server, "big", "Answers with a text of this many bytes.", func(_ context.Context, _ *mcp.CallToolRequest, in big) (string, error) {
		return strings.Repeat("x", in.Size), nil
	})
	add(server, "fails", "Answers with isError.", func(context.Context, *mcp.CallToolRequest, nothing) (string, error) {
		return "", errors.New("this tool always fails")
	})
	add(server, "progress", "Sends three progress notifications, then answers.", progress)
	add(server, "waits", "Sends one progress notification, then waits until it is cancelled.", waits)
	add(server, "ask_model", "Asks the client's model, on the stream of this call.", askModel)
	add(server, "polled", "Closes the stream of its call, and answers on the one that the client opens in its place.", polled)
	// Not a typed tool: the SDK turns the errors of typed tools into results, and this one returns a JSON-RPC error.
	refused := &mcp.Tool{Name: "refused", Description: "Answers with JSON-RPC error -32000.", InputSchema: map[string]any{"type": "object"}}
	server.AddTool(refused, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return nil, &jsonrpc.Error{Code: -32000, Message: "this tool is refused"}
	})
}

// add adds a tool that returns a text.
func add[In any](server *mcp.Server, name, about string, answer func(context.Context, *mcp.CallToolRequest, In) (string, error)) {
	tool := &mcp.Tool{Name: name, Description: about}
	mcp.AddTool(server, tool, func(ctx context.Context, request *mcp.CallToolRequest, in In) (*mcp.CallToolResult, any, error) {
		text, err := answer(ctx, request, in)
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil, err
	})
}

func report(ctx context.Context, request *mcp.CallToolRequest, step, total float64) error {
	token := request.Params.GetProgressToken()
	if token == nil {
		return nil
	}
	return request.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{ProgressToken: token, Progress: step, Total: total})
}

func progress(ctx context.Context, request *mcp.CallToolRequest, _ nothing) (string, error) {
	for step := 1.0; step <= 3; step++ {
		if err := report(ctx, request, step, 3); err != nil {
			return "", err
		}
	}
	return "done", nil
}

func waits(ctx context.Context, request *mcp.CallToolRequest, _ nothing) (string, error) {
	if err := report(ctx, request, 1, 2); err != nil {
		return "", err
	}
	<-ctx.Done()
	return "", ctx.Err()
}

func askModel(ctx context.Context, request *mcp.CallToolRequest, _ struct {
	Text string `json:"text"`
}) (string, error) {
	question := &mcp.SamplingMessage{Role: "user", Content: &mcp.TextContent{Text: "a"}}
	answer, err := request.Session.CreateMessage(ctx, &mcp.CreateMessageParams{MaxTokens: 10, Messages: []*mcp.SamplingMessage{question}})
	if err != nil {
		return "", err
	}
	return answer.Model, nil
}

func polled(ctx context.Context, request *mcp.CallToolRequest, _ nothing) (string, error) {
	if err := report(ctx, request, 1, 2); err != nil {
		return "", err
	}
	if request.Extra.CloseSSEStream != nil {
		request.Extra.CloseSSEStream(mcp.CloseSSEStreamArgs{RetryAfter: 10 * time.Millisecond})
	}
	return "done", report(ctx, request, 2, 2)
}

func read(_ context.Context, request *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
	uri := request.Params.URI
	return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: uri, Text: "a quiet day"}}}, nil
}
