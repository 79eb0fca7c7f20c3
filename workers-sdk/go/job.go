package workman

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"sync"
	"time"
)

// message is what the daemon says; which members count depends on its type.
type message struct {
	Type        string          `json:"type"`
	ID          string          `json:"id"`
	Task        string          `json:"task"`
	Attempt     int             `json:"attempt"`
	MaxAttempts int             `json:"max_attempts"`
	Timeout     int64           `json:"timeout_ms"`
	Deadline    int64           `json:"deadline_at"`
	Args        json.RawMessage `json:"args"`
	Base64      *string         `json:"args_b64"`
	Queue       json.RawMessage `json:"queue"`
	OK          bool            `json:"ok"`
	Result      json.RawMessage `json:"result"`
	Error       json.RawMessage `json:"error"`
	Reason      string          `json:"reason"`
	ProtoMin    int             `json:"proto_min"`
	MaxLine     int             `json:"max_line"`
	Config      json.RawMessage `json:"config"`
}

type state int

// SIGABRT interrupts a running job; in the other states its outcome is on its way, or out.
const (
	running state = iota
	finishing
	aborting
	closed
)

// Job is what a task is asked, and what it can say while it runs, in any goroutine. It is the job's
// context: cancelled by SIGABRT, or when the daemon gives the job up; Cause(job) tells why.
type Job struct {
	context.Context
	cancel  context.CancelFunc
	worker  *worker
	task    *Task
	message message
	bytes   Bytes
	settled chan struct{} // closed when the task's function has returned

	mutex     sync.Mutex // guards what follows; taken before the channel's
	state     state
	ends      time.Time
	cause     *ForceKilled
	followUps [][]byte
}

type causeKey struct{}

// Cause is why the job's context was cancelled, or nil. It takes contexts made from the job, too;
// context.Cause came with Go 1.20 only.
func Cause(ctx context.Context) *ForceKilled {
	if job, ok := ctx.Value(causeKey{}).(*Job); ok {
		job.mutex.Lock()
		defer job.mutex.Unlock()
		return job.cause
	}
	return nil
}

// Value makes Cause work for contexts made from the job.
func (j *Job) Value(key any) any {
	if key == (causeKey{}) {
		return j
	}
	return j.Context.Value(key)
}

func newJob(w *worker, m message) (*Job, error) {
	job := &Job{worker: w, message: m, settled: make(chan struct{})}
	if m.ID == "" || m.Task == "" {
		return job, errors.New("a job without an id or a task")
	}
	if m.Base64 != nil {
		decoded, err := base64.StdEncoding.DecodeString(*m.Base64)
		if err != nil {
			return job, err
		}
		job.bytes = decoded
	}
	if m.Timeout > 0 {
		job.ends = time.Now().Add(time.Duration(m.Timeout) * time.Millisecond)
	}
	job.Context, job.cancel = context.WithCancel(context.Background())
	return job, nil
}

// ID is the delivery's id.
func (j *Job) ID() string { return j.message.ID }

// Task is the name of the task.
func (j *Job) Task() string { return j.message.Task }

// Args are the arguments as JSON text, or nil when they came as bytes.
func (j *Job) Args() json.RawMessage { return j.message.Args }

// ArgsBytes are the arguments when they came as bytes.
func (j *Job) ArgsBytes() Bytes { return j.bytes }

// Attempt counts from 1.
func (j *Job) Attempt() int { return max(j.message.Attempt, 1) }

// MaxAttempts is 0 when the daemon did not say.
func (j *Job) MaxAttempts() int { return j.message.MaxAttempts }

// Limit is the moment of the time limit, as the daemon said it; zero without one. (Deadline() is the
// context's, which has none: the daemon keeps the time.)
func (j *Job) Limit() time.Time {
	if j.message.Deadline == 0 {
		return time.Time{}
	}
	return time.UnixMilli(j.message.Deadline)
}

// Remaining is the time until the limit; false without one.
func (j *Job) Remaining() (time.Duration, bool) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	return time.Until(j.ends), !j.ends.IsZero()
}

// Config is the `config:` block of the profile.
func (j *Job) Config() json.RawMessage { return j.worker.config() }

// Cancelled says whether the daemon has given the job up; the context is done then, too.
func (j *Job) Cancelled() bool { return Cause(j) != nil }

// Progress reports done of total (0: unknown).
func (j *Job) Progress(done, total float64, text string) {
	j.say("progress", struct {
		Done    float64 `json:"done"`
		Total   float64 `json:"total,omitempty"`
		Message string  `json:"message,omitempty"`
	}{done, total, text})
}

// Data sends a part of the result now, where the queue can.
func (j *Job) Data(value any) error { return j.data(value, nil) }

// Warn sends a warning the same way.
func (j *Job) Warn(value any) error { return j.data(value, []byte(`,"warn":true`)) }

func (j *Job) data(value any, more []byte) error {
	line, err := appendPayload([]byte{','}, "data", value)
	if err == nil {
		j.write("data", append(line, more...))
	}
	return err
}

// Log writes to the daemon's log. The level is one of trace, debug, info, warn, error, fatal.
func (j *Job) Log(level, text string, fields map[string]any) {
	j.say("log", struct {
		Level   string         `json:"level"`
		Message string         `json:"message"`
		Fields  map[string]any `json:"fields,omitempty"`
	}{level, text, fields})
}

// Heartbeat says that the job is alive, and moves its time limit by extend.
func (j *Job) Heartbeat(extend time.Duration) {
	j.say("heartbeat", struct {
		Extend int64 `json:"extend_ms,omitempty"`
	}{extend.Milliseconds()})
	j.mutex.Lock()
	defer j.mutex.Unlock()
	if !j.ends.IsZero() {
		j.ends = j.ends.Add(extend)
	}
}

// EnqueueOptions of a new job.
type EnqueueOptions struct {
	Delay       time.Duration
	Priority    string // "high", "normal" or "low"
	Unique      string // a job with the key of a waiting one is not added
	MaxAttempts int
}

func spec(task string, args any, options []EnqueueOptions) ([]byte, error) {
	var o EnqueueOptions
	if len(options) > 0 {
		o = options[0]
	}
	head, err := encode(struct {
		Task        string `json:"task"`
		Delay       int64  `json:"delay_ms,omitempty"`
		Priority    string `json:"priority,omitempty"`
		Unique      string `json:"unique,omitempty"`
		MaxAttempts int    `json:"max_attempts,omitempty"`
	}{task, o.Delay.Milliseconds(), o.Priority, o.Unique, o.MaxAttempts})
	if err != nil {
		return nil, err
	}
	return appendPayload(append(head[1:len(head)-1], ','), "args", args)
}

// Enqueue adds a job that goes onto the queue together with this job's outcome `done`, or, from
// OnAbort, with the abort. It fails if the arguments cannot be encoded.
func (j *Job) Enqueue(task string, args any, options ...EnqueueOptions) error {
	text, err := spec(task, args, options)
	if err != nil {
		return err
	}
	j.mutex.Lock()
	defer j.mutex.Unlock()
	j.followUps = append(j.followUps, append(append([]byte{'{'}, text...), '}'))
	return nil
}

// EnqueueNow puts a job on the queue at once and returns what the queue said of it, or *Refused.
func (j *Job) EnqueueNow(task string, args any, options ...EnqueueOptions) (json.RawMessage, error) {
	text, err := spec(task, args, options)
	if err != nil {
		return nil, err
	}
	return j.worker.enqueueNow(j, text)
}

func (j *Job) say(kind string, value any) {
	text, err := encode(value)
	if err != nil {
		note("%s: %v", kind, err)
		return
	}
	text[0] = ','
	if len(text) == 2 { // No member at all.
		text = nil
	} else {
		text = text[:len(text)-1]
	}
	j.write(kind, text)
}

// write sends a message of the job. What comes after its outcome is dropped.
func (j *Job) write(kind string, members []byte) {
	line := j.line(kind, members)
	j.mutex.Lock()
	defer j.mutex.Unlock()
	if j.state != closed {
		j.worker.send(line)
	}
}

func (j *Job) line(kind string, members []byte) []byte {
	line := make([]byte, 0, len(members)+64)
	line = append(append(line, `{"type":"`...), kind...)
	line = append(append(line, `","id":"`...), j.message.ID...)
	return append(append(append(line, '"'), members...), "}\n"...)
}

func max(a, b int) int {
	if a > b {
		return a
	}
	return b
}
