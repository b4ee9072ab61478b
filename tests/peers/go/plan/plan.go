// Package plan is shared by the clients in Go: the plan that a test passes, and the list of outcomes that they print.
package plan

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync/atomic"
)

// Plan is read from the first argument. Every session runs all operations; all sessions are open at the same time. With Steps it has
// one session, which runs them: see refused.go.
type Plan struct {
	URL       string `json:"url"`
	Transport string `json:"transport"`
	Mode      string `json:"mode"`
	Sessions  int    `json:"sessions"`
	// Listens requests notifications about changed lists, which opens subscriptions/listen in 2026-07-28.
	Listens    bool        `json:"listens"`
	Operations []Operation `json:"operations"`
	Steps      []Step      `json:"steps"`
	// Patience is the number of seconds after which the client gives up a call of Steps.
	Patience float64 `json:"patience"`
}

// Operation is one request. With Cancel the client cancels it at the first progress notification.
type Operation struct {
	Method    string         `json:"method"`
	Name      string         `json:"name"`
	Arguments map[string]any `json:"arguments"`
	Progress  bool           `json:"progress"`
	Cancel    bool           `json:"cancel"`
}

// Session is one session of an SDK.
type Session interface {
	// Do returns whether the result has isError. It calls onProgress for each progress notification.
	Do(ctx context.Context, operation Operation, onProgress func()) (isError bool, err error)
	// Code returns the code of a JSON-RPC error.
	Code(err error) (int, bool)
	// AwaitRoots waits until the server has requested the client's roots.
	AwaitRoots()
	Close() error
}

type seen struct {
	Method   string `json:"method"`
	Name     string `json:"name"`
	Outcome  string `json:"outcome"`
	Progress int32  `json:"progress"`
}

// Revision is the newest protocol version that the client offers; if it is empty, the SDK decides.
func (p Plan) Revision() string {
	switch p.Mode {
	case "auto":
		return ""
	case "legacy":
		return "2025-11-25"
	}
	return p.Mode
}

// Main runs the plan and prints the outcomes of the operations as a JSON list.
func Main(open func(context.Context, Plan) (Session, error)) {
	if err := run(open); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(open func(context.Context, Plan) (Session, error)) error {
	var plan Plan
	if err := json.Unmarshal([]byte(os.Args[1]), &plan); err != nil {
		return err
	}
	ctx := context.Background()
	if plan.Steps != nil {
		return runSteps(ctx, open, plan)
	}
	var opened []Session
	for range plan.Sessions {
		session, err := open(ctx, plan)
		if err != nil {
			return err
		}
		opened = append(opened, session)
	}
	told := []seen{}
	for _, session := range opened {
		for _, operation := range plan.Operations {
			if operation.Method == "await" {
				session.AwaitRoots()
				continue
			}
			one, err := runOne(ctx, session, operation)
			if err != nil {
				return fmt.Errorf("%s %s: %w", operation.Method, operation.Name, err)
			}
			told = append(told, one)
		}
	}
	for _, session := range opened {
		if err := session.Close(); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(told)
}

func runOne(parent context.Context, session Session, operation Operation) (seen, error) {
	ctx, giveUp := context.WithCancel(parent)
	defer giveUp()
	var progress atomic.Int32
	isError, err := session.Do(ctx, operation, func() {
		progress.Add(1)
		if operation.Cancel {
			giveUp()
		}
	})
	one := seen{operation.Method, operation.Name, "ok", progress.Load()}
	if ctx.Err() != nil {
		one.Outcome = "cancelled"
	} else if err != nil {
		code, ok := session.Code(err)
		if !ok {
			return one, err
		}
		one.Outcome = fmt.Sprintf("rpc %d", code)
	} else if isError {
		one.Outcome = "tool_error"
	}
	return one, nil
}
