package workman

import (
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// settle is how long an interrupted job may take to end by itself before its OnAbort runs.
const settle = 200 * time.Millisecond

type panicked struct {
	value any
	stack string
}

func (p *panicked) Error() string { return fmt.Sprint(p.value) }

// call runs the function and makes an error of a panic.
func call(function func() error) (err error) {
	returned := false
	defer func() {
		if value := recover(); value != nil {
			err = &panicked{value, string(debug.Stack())}
		} else if !returned {
			err = errors.New("runtime.Goexit was called")
		}
	}()
	err = function()
	returned = true
	return err
}

// work runs a job: it is running, then finishing or aborting, then closed.
func (w *worker) work(job *Job) {
	var result any
	done := make(chan error, 1)
	func() {
		defer func() { // Runs after runtime.Goexit, too.
			select {
			case done <- errors.New("runtime.Goexit was called"):
			default:
			}
			close(job.settled)
			w.finish(job, result, <-done)
		}()
		done <- call(func() (err error) {
			for _, hooks := range append(globals, job.task.hooks) {
				if hooks.OnStart != nil {
					if err := hooks.OnStart(job); err != nil {
						return err
					}
				}
			}
			if result, err = job.task.run(job); err != nil {
				return err
			}
			for _, hooks := range append(globals, job.task.hooks) {
				if hooks.OnDone != nil {
					if err := hooks.OnDone(job, result); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}()
}

func (w *worker) finish(job *Job, result any, err error) {
	if err != nil {
		w.failed(job, err, "")
		return
	}
	var body []byte
	if result != nil {
		if body, err = appendPayload([]byte{','}, "result", result); err != nil {
			w.failed(job, err, "unserialisable_result")
			return
		}
		if string(body) == `,"result":null` {
			body = nil
		}
	}
	job.mutex.Lock()
	length := len(body) + 256
	for _, text := range job.followUps {
		length += len(text)
	}
	job.mutex.Unlock()
	w.mutex.Lock()
	limit := w.hello.MaxLine
	w.mutex.Unlock()
	if limit > 0 && length > limit {
		text := "the result has %d bytes, a line %d"
		w.failed(job, Permanent("result_too_large", text, len(body), limit), "")
		return
	}
	w.answer(job, running, "done", body)
}

func (w *worker) failed(job *Job, err error, code string) {
	var meant *Failure
	var abort *Abort
	isAbort := errors.As(err, &abort)
	if !isAbort && !errors.As(err, &meant) && Cause(job) != nil {
		w.interrupt(job, "") // It gave up, or was interrupted already.
		return
	}
	job.mutex.Lock()
	job.followUps = nil
	job.mutex.Unlock()
	if isAbort {
		text, _ := encode(struct {
			Reason  string `json:"reason"`
			Requeue *bool  `json:"requeue,omitempty"`
			Delay   int64  `json:"delay_ms,omitempty"`
		}{abort.Reason, abort.Requeue, abort.Delay.Milliseconds()})
		w.answer(job, running, "abort", append([]byte{','}, text[1:len(text)-1]...))
		return
	}
	safely("OnFail", job, func() {
		for _, hooks := range append(globals, job.task.hooks) {
			if hooks.OnFail != nil {
				hooks.OnFail(job, err)
			}
		}
	})
	w.answer(job, running, "fail", failure(err, code))
}

// answer sends the outcome of a job in this state; in another one somebody else does.
func (w *worker) answer(job *Job, from state, kind string, members []byte) {
	job.mutex.Lock()
	if job.state != from {
		job.mutex.Unlock()
		return
	}
	job.state = finishing
	if len(job.followUps) > 0 {
		members = append(members, `,"enqueue":[`...)
		for i, text := range job.followUps {
			if i > 0 {
				members = append(members, ',')
			}
			members = append(members, text...)
		}
		members = append(members, ']')
	}
	w.send(job.line(kind, members))
	job.state = closed
	job.mutex.Unlock()
	w.ended(job)
}

func (j *Job) cancelFor(reason string) {
	j.mutex.Lock()
	if j.cause == nil {
		if reason == "" {
			reason = "shutdown"
			if !j.ends.IsZero() && !time.Now().Before(j.ends) {
				reason = "timeout"
			}
		}
		j.cause = &ForceKilled{reason}
	}
	j.mutex.Unlock()
	j.cancel()
}

// interrupt ends a job on behalf of the daemon: the hook first, then the line, for the hook may
// enqueue the job itself. A function that does not return goes on beside it, unheard.
func (w *worker) interrupt(job *Job, reason string) {
	job.cancelFor(reason)
	job.mutex.Lock()
	if job.state != running {
		job.mutex.Unlock()
		return
	}
	job.state = aborting
	job.mutex.Unlock()
	select {
	case <-job.settled:
	case <-time.After(settle):
	}
	job.mutex.Lock()
	job.state = closed
	heard := &Job{Context: job.Context, cancel: job.cancel, worker: w, task: job.task,
		message: job.message, bytes: job.bytes, settled: job.settled, state: aborting,
		ends: job.ends, cause: job.cause}
	job.mutex.Unlock()
	decision := Policy
	safely("OnAbort", job, func() {
		for _, hooks := range append(globals, job.task.hooks) {
			if hooks.OnAbort != nil {
				decision = hooks.OnAbort(heard, heard.cause)
			}
		}
		if job.task.hooks.OnAbort == nil {
			decision = Policy
		}
	})
	text, _ := encode(heard.cause.Error())
	members := append([]byte(`,"reason":`), text...)
	switch decision {
	case Yes:
		members = append(members, `,"requeue":true`...)
	case No:
		members = append(members, `,"requeue":false`...)
	}
	w.answer(heard, aborting, "abort", members)
}

// safely runs hooks: the outcome must go out whatever they do.
func safely(name string, job *Job, function func()) {
	err := call(func() error {
		function()
		return nil
	})
	if err != nil {
		note("%s of %s: %v", name, job.message.Task, err)
	}
}

// failure is what of an error goes to the queue, as members.
func failure(err error, code string) []byte {
	type details struct {
		Message string `json:"message"`
		Code    string `json:"code,omitempty"`
		Class   string `json:"class"`
		Trace   string `json:"trace,omitempty"`
		Data    any    `json:"data,omitempty"`
	}
	said := struct {
		Error details `json:"error"`
		Retry *bool   `json:"retry,omitempty"`
		Delay int64   `json:"delay_ms,omitempty"`
	}{Error: details{Message: err.Error(), Code: code, Class: fmt.Sprintf("%T", err)}}
	if len(said.Error.Message) > 65536 {
		said.Error.Message = said.Error.Message[:65536]
	}
	var meant *Failure
	if errors.As(err, &meant) {
		said.Error.Code, said.Error.Data = meant.Code, meant.Data
		said.Retry, said.Delay = meant.retry, meant.Delay.Milliseconds()
	}
	var panic *panicked
	if errors.As(err, &panic) {
		said.Error.Class, said.Error.Trace = "panic", panic.stack
	}
	text, wrong := encode(said)
	if wrong != nil {
		said.Error.Data = nil
		text, _ = encode(said)
	}
	return append([]byte{','}, text[1:len(text)-1]...)
}
