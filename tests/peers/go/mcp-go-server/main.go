// An MCP server on mcp-go, for the tests. The environment variable PORT is its port.
//
// /mcp serves all protocol versions over Streamable HTTP; /sse and /message serve HTTP+SSE.
package main

import (
	"context"
	"errors"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

func main() {
	made := newServer()
	events := server.NewSSEServer(made)
	http.Handle("/mcp", server.NewStreamableHTTPServer(made))
	http.Handle("/sse", events.SSEHandler())
	http.Handle("/message", events.MessageHandler())
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}

func newServer() *server.MCPServer {
	made := server.NewMCPServer("mcp-go", "1", server.WithToolCapabilities(true))
	add(made, "echo", "Answers with the text it was given.", func(_ context.Context, call mcp.CallToolRequest) (string, error) {
		return call.GetString("text", ""), nil
	}, mcp.WithString("text"))
	add(made, "slow", "Answers after a while.", func(_ context.Context, call mcp.CallToolRequest) (string, error) {
		time.Sleep(time.Duration(call.GetInt("milliseconds", 0)) * time.Millisecond)
		return "late", nil
	}, mcp.WithNumber("milliseconds"))
	add(made, "big", "Answers with a text of this many bytes.", func(_ context.Context, call mcp.CallToolRequest) (string, error) {
		return strings.Repeat("x", call.GetInt("size", 0)), nil
	}, mcp.WithNumber("size"))
	add(made, "progress", "Sends three progress notifications, then answers.", progress)
	add(made, "waits", "Sends one progress notification, then waits until it is cancelled.", waits)
	made.AddTool(mcp.NewTool("fails", mcp.WithDescription("Answers with isError.")), func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return mcp.NewToolResultError("this tool always fails"), nil
	})
	add(made, "refused", "Answers with JSON-RPC error -32603.", func(context.Context, mcp.CallToolRequest) (string, error) {
		return "", errors.New("this tool is refused")
	})
	made.AddResource(mcp.NewResource("notes://today", "today"), read)
	made.AddResourceTemplate(mcp.NewResourceTemplate("notes://{day}/page", "page"), read)
	made.AddPrompt(mcp.NewPrompt("summary", mcp.WithArgument("topic")), summary)
	return made
}

// add adds a tool that returns a text or a JSON-RPC error.
func add(made *server.MCPServer, name, about string, answer func(context.Context, mcp.CallToolRequest) (string, error), arguments ...mcp.ToolOption) {
	tool := mcp.NewTool(name, append(arguments, mcp.WithDescription(about))...)
	made.AddTool(tool, func(ctx context.Context, call mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		text, err := answer(ctx, call)
		if err != nil {
			return nil, err
		}
		return mcp.NewToolResultText(text), nil
	})
}

func report(ctx context.Context, call mcp.CallToolRequest, step, total float64) error {
	if call.Params.Meta == nil || call.Params.Meta.ProgressToken == nil {
		return nil
	}
	told := map[string]any{"progressToken": call.Params.Meta.ProgressToken, "progress": step, "total": total}
	return server.ServerFromContext(ctx).SendNotificationToClient(ctx, "notifications/progress", told)
}

func progress(ctx context.Context, call mcp.CallToolRequest) (string, error) {
	for step := 1.0; step <= 3; step++ {
		if err := report(ctx, call, step, 3); err != nil {
			return "", err
		}
	}
	return "done", nil
}

func waits(ctx context.Context, call mcp.CallToolRequest) (string, error) {
	if err := report(ctx, call, 1, 2); err != nil {
		return "", err
	}
	<-ctx.Done()
	return "", ctx.Err()
}

func read(_ context.Context, request mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
	return []mcp.ResourceContents{mcp.TextResourceContents{URI: request.Params.URI, Text: "a quiet day"}}, nil
}

func summary(_ context.Context, request mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
	content := mcp.NewTextContent("Summarise " + request.Params.Arguments["topic"] + ".")
	return mcp.NewGetPromptResult("Asks for a summary.", []mcp.PromptMessage{mcp.NewPromptMessage(mcp.RoleUser, content)}), nil
}
