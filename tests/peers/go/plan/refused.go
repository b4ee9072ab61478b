package plan

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"time"
)

// Step is a call or, without the name of a tool, a wait of some seconds. `tests/e2e/drivers/refused.py` describes steps and output.
type Step struct {
	Call      string         `json:"call"`
	Arguments map[string]any `json:"arguments"`
	Wait      float64        `json:"wait"`
}

type attempt struct {
	Outcome string `json:"outcome"`
	Text    string `json:"text,omitempty"`
	Code    int    `json:"code,omitempty"`
}

func runSteps(ctx context.Context, open func(context.Context, Plan) (Session, error), plan Plan) error {
	session, err := open(ctx, plan)
	if err != nil {
		return err
	}
	var told []attempt
	for _, step := range plan.Steps {
		if step.Call == "" {
			time.Sleep(seconds(step.Wait))
		} else {
			told = append(told, runStep(ctx, session, step, seconds(plan.Patience)))
		}
	}
	// The connection may be closed already.
	_ = session.Close()
	return json.NewEncoder(os.Stdout).Encode(told)
}

func runStep(parent context.Context, session Session, step Step, patience time.Duration) attempt {
	ctx, stop := context.WithTimeout(parent, patience)
	defer stop()
	call := Operation{Method: "tools/call", Name: step.Call, Arguments: step.Arguments}
	_, err := session.Do(ctx, call, func() {})
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return attempt{Outcome: "hangs"}
	case err != nil:
		code, _ := session.Code(err)
		return attempt{"error", err.Error(), code}
	}
	return attempt{Outcome: "ok"}
}

func seconds(number float64) time.Duration { return time.Duration(number * float64(time.Second)) }
