// Two tasks: a function and a type. Try it: go run ./example --run resize '{"file": "a.png"}'
package main

import (
	"encoding/json"
	"fmt"
	"time"

	"workman"
)

type picture struct {
	File        string `json:"file"`
	Width       int    `json:"width"`
	Interrupted string `json:"interrupted,omitempty"`
}

func resize(job *workman.Job, args picture) (picture, error) {
	if args.File == "" {
		return args, workman.Permanent("bad_args", "no file is named")
	}
	if args.Width == 0 {
		args.Width = 200
	}
	job.Progress(1, 2, "")
	return args, job.Enqueue("Report", args, workman.EnqueueOptions{Delay: time.Minute})
}

// interrupted: the worker must stop before the job could end; put it back with a mark, once.
func interrupted(job *workman.Job, why *workman.ForceKilled) workman.Decision {
	var args picture
	json.Unmarshal(job.Args(), &args) // It fitted when the job began.
	args.Interrupted = why.Reason
	job.Enqueue("resize", args)
	return workman.No // It went back by itself; the daemon need not do it.
}

// Report is a type that is a task.
type Report struct{}

// Options are announced.
func (Report) Options() workman.Options { return workman.Options{Timeout: 10 * time.Minute} }

// Run does the job.
func (Report) Run(job *workman.Job) (any, error) {
	job.Log("info", "a report", map[string]any{"args": job.Args()})
	return nil, nil
}

// OnFail is a hook.
func (Report) OnFail(job *workman.Job, err error) {
	job.Log("warn", fmt.Sprintf("attempt %d failed: %v", job.Attempt(), err), nil)
}

func main() {
	workman.Func("resize", resize, workman.Options{Timeout: 30 * time.Second, MaxAttempts: 4,
		Backoff: workman.Backoff{First: time.Second, Most: time.Minute}}).
		On(workman.Hooks{OnAbort: interrupted})
	workman.Type(Report{})
	workman.Serve(workman.Config{})
}
