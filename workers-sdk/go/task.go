package workman

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"time"
)

// Bytes is a result, an argument or a part of one that is not JSON; it travels as base64.
type Bytes []byte

// Failure says more of a failed job than an error's text does.
type Failure struct {
	Message string
	Code    string
	Data    any
	Delay   time.Duration // with Retry: when to try again; 0: the back-off decides
	retry   *bool
}

func (f *Failure) Error() string { return f.Message }

// Retry is the error of a job that is to be tried again, never beyond its MaxAttempts. A delay of 0
// leaves it to the back-off.
func Retry(delay time.Duration, format string, values ...any) *Failure {
	again := true
	return &Failure{Message: fmt.Sprintf(format, values...), Delay: delay, retry: &again}
}

// Permanent is the error of a job that no further try can help.
func Permanent(code, format string, values ...any) *Failure {
	again := false
	return &Failure{Message: fmt.Sprintf(format, values...), Code: code, retry: &again}
}

// Abort is the error of a job that is not done and goes back: no attempt is counted. Without
// Requeue the policy decides.
type Abort struct {
	Reason  string
	Requeue *bool
	Delay   time.Duration
}

func (a *Abort) Error() string { return a.Reason }

// Requeue makes an Abort that puts the job back.
func Requeue(delay time.Duration, reason string) *Abort {
	yes := true
	return &Abort{Reason: reason, Requeue: &yes, Delay: delay}
}

// Refused is the error of EnqueueNow when the daemon did not take the job.
type Refused struct{ Reason string }

func (r *Refused) Error() string { return r.Reason }

// ForceKilled is why a job's context was cancelled: Cause(ctx). Its Reason is "timeout", "shutdown"
// or "revoked".
type ForceKilled struct{ Reason string }

func (f *ForceKilled) Error() string { return "force killed (" + f.Reason + ")" }

// Backoff is how long to wait between attempts: First, or growing from First to Most.
type Backoff struct{ First, Most time.Duration }

// Options are announced in `ready`; the profile wins. What is zero is not announced.
type Options struct {
	Timeout, Stall     time.Duration
	MaxAttempts, Limit int // Limit: how many of it may run at once in the pool
	Backoff            Backoff
	Payload            string // "json", "text" or "base64"
	Policy             string // of an abort that no hook decides: "requeue", "fail" or "drop"
	Desc               string
}

// Hooks of one task, or of all of them. OnAbort says whether the job goes back: Yes, No (it went
// back by the hook), or Policy.
type Hooks struct {
	OnStart func(job *Job) error
	OnDone  func(job *Job, result any) error
	OnFail  func(job *Job, err error)
	OnAbort func(job *Job, why *ForceKilled) Decision
}

// Decision is what OnAbort answers.
type Decision int

// What OnAbort may answer.
const (
	Policy Decision = iota
	Yes
	No
)

// Task is a registered task; On sets its hooks.
type Task struct {
	name    string
	options Options
	hooks   Hooks
	run     func(job *Job) (any, error)
}

// On sets the hooks and returns the task.
func (t *Task) On(hooks Hooks) *Task {
	t.hooks = hooks
	return t
}

var (
	tasks   = map[string]*Task{}
	order   []*Task
	globals []Hooks
)

// OnAll adds hooks of all tasks; they run before the task's own, and what they answer to an abort is
// not looked at.
func OnAll(hooks Hooks) { globals = append(globals, hooks) }

func register(task *Task) *Task {
	for i, other := range order {
		if other.name == task.name {
			order = append(order[:i], order[i+1:]...)
			break
		}
	}
	tasks[task.name] = task
	order = append(order, task)
	return task
}

// Func makes a task of a function. Its arguments are decoded into A, which may be any, Bytes, or
// json.RawMessage; the result is encoded as JSON, or as base64 if it is Bytes. The job is a
// context.Context, too.
func Func[A, R any](name string, function func(job *Job, args A) (R, error), options ...Options) *Task {
	task := &Task{name: name, run: func(job *Job) (any, error) {
		args, err := decode[A](job)
		if err != nil {
			return nil, err
		}
		result, err := function(job, args)
		if err != nil {
			return nil, err
		}
		return result, nil
	}}
	if len(options) > 0 {
		task.options = options[0]
	}
	return register(task)
}

func decode[A any](job *Job) (args A, err error) {
	switch target := any(&args).(type) {
	case *json.RawMessage:
		*target = job.message.Args
		return args, nil
	case *Bytes:
		*target = job.bytes
		return args, nil
	case *any:
		if job.bytes != nil {
			*target = job.bytes
			return args, nil
		}
	}
	if len(job.message.Args) == 0 {
		return args, nil
	}
	if err := json.Unmarshal(job.message.Args, &args); err != nil {
		return args, &Failure{Message: "the arguments do not fit: " + err.Error(), Code: "bad_args"}
	}
	return args, nil
}

// A Runner is a type that is a task; see Type.
type Runner interface {
	Run(job *Job) (any, error)
}

// Type makes a task of a value; its name is that of its type, or what a method Name() string says.
// Methods Options() Options, OnStart, OnDone, OnFail and OnAbort as in Hooks are used if they exist.
func Type(value Runner) *Task {
	kind := reflect.TypeOf(value)
	for kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	task := &Task{name: kind.Name(), run: value.Run}
	if own, ok := value.(interface{ Name() string }); ok {
		task.name = own.Name()
	}
	if own, ok := value.(interface{ Options() Options }); ok {
		task.options = own.Options()
	}
	if own, ok := value.(interface{ OnStart(*Job) error }); ok {
		task.hooks.OnStart = own.OnStart
	}
	if own, ok := value.(interface{ OnDone(*Job, any) error }); ok {
		task.hooks.OnDone = own.OnDone
	}
	if own, ok := value.(interface{ OnFail(*Job, error) }); ok {
		task.hooks.OnFail = own.OnFail
	}
	if own, ok := value.(interface {
		OnAbort(*Job, *ForceKilled) Decision
	}); ok {
		task.hooks.OnAbort = own.OnAbort
	}
	return register(task)
}

type backoff struct {
	Kind string `json:"kind"`
	Base int64  `json:"base_ms"`
	Max  int64  `json:"max_ms,omitempty"`
}

// announcement is what `ready` says of the task.
func (t *Task) announcement() any {
	o := t.options
	if o == (Options{}) {
		return t.name
	}
	said := struct {
		Name        string   `json:"name"`
		Timeout     int64    `json:"timeout_ms,omitempty"`
		Stall       int64    `json:"stall_ms,omitempty"`
		MaxAttempts int      `json:"max_attempts,omitempty"`
		Limit       int      `json:"limit,omitempty"`
		Backoff     *backoff `json:"backoff,omitempty"`
		Payload     string   `json:"payload,omitempty"`
		Policy      string   `json:"on_abort,omitempty"`
		Desc        string   `json:"desc,omitempty"`
	}{t.name, o.Timeout.Milliseconds(), o.Stall.Milliseconds(), o.MaxAttempts, o.Limit, nil,
		o.Payload, o.Policy, o.Desc}
	if first := o.Backoff.First.Milliseconds(); first > 0 {
		said.Backoff = &backoff{Kind: "const", Base: first}
		if most := o.Backoff.Most.Milliseconds(); most > 0 {
			said.Backoff = &backoff{Kind: "exp", Base: first, Max: most}
		}
	}
	return said
}

// appendPayload appends the member that carries a value, without a comma.
func appendPayload(line []byte, name string, value any) ([]byte, error) {
	if bytes, ok := value.(Bytes); ok {
		line = append(append(append(line, '"'), name...), `_b64":"`...)
		start := len(line)
		line = append(line, make([]byte, base64.StdEncoding.EncodedLen(len(bytes)))...)
		base64.StdEncoding.Encode(line[start:], bytes)
		return append(line, '"'), nil
	}
	text, err := encode(value)
	if err != nil {
		return nil, err
	}
	line = append(append(append(line, '"'), name...), `":`...)
	return append(line, text...), nil
}
