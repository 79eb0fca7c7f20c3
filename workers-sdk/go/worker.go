package workman

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const exitConfig = 78

// settle is how long an interrupted job may take to end by itself before its OnAbort runs.
const settle = 200 * time.Millisecond

// Config of Serve. What is left out has a default.
type Config struct {
	Concurrency int          // how many jobs run at the same time; 0 is 1
	Load        func() error // registers tasks in the worker, before `ready`
	OnBoot      func() error // after Load, before `ready`
	OnExit      func()       // at the end
	LateCancel  bool         // the daemon does not say early that a job is cancelled
}

// worker is the process: the jobs that run, those that wait, and how it ends.
type worker struct {
	*channel
	config_     Config
	reading     sync.Mutex // held while lines are read and handled; taken before mutex
	mutex       sync.Mutex // guards what follows; taken before a job's
	hello       message
	jobs        map[string]*Job
	parked      []*Job
	replies     map[string]chan message
	refs        int
	concurrency int
	serving     bool // false: SIGABRT ends the process
	refuse      bool // give jobs back
	drain       bool // leave when nothing is left to answer
	eof         bool
	gone        chan struct{} // closed at the end of input
	idle        chan struct{} // gets a token when it may be time to leave
}

// The descriptors are taken before any code of the program runs, but for that of its own imports.
var this = &worker{channel: newChannel(), jobs: map[string]*Job{}, replies: map[string]chan message{},
	concurrency: 1, gone: make(chan struct{}), idle: make(chan struct{}, 1)}

func (w *worker) config() json.RawMessage {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.hello.Config == nil {
		return json.RawMessage("{}")
	}
	return w.hello.Config
}

// Serve runs the worker and never returns.
func Serve(config Config) {
	w := this
	w.config_ = config
	w.concurrency = max(config.Concurrency, 1)
	if w.supervised {
		w.watchSignals()
	}
	if config.Load != nil {
		if err := config.Load(); err != nil {
			note("Load: %v", err)
			os.Exit(1)
		}
	}
	if len(tasks) == 0 {
		note("there is no task: nothing was given to Func or Type")
		os.Exit(exitConfig)
	}
	if !w.supervised {
		os.Exit(byHand(w, os.Args))
	}
	if config.OnBoot != nil {
		if err := config.OnBoot(); err != nil {
			note("OnBoot: %v", err)
			os.Exit(1)
		}
	}
	w.ready()
	w.mutex.Lock()
	w.serving = true
	w.mutex.Unlock()
	go func() {
		w.read(&w.reading, w.handle)
		w.mutex.Lock()
		w.eof = true
		close(w.gone)
		w.leaveIfDone()
		w.mutex.Unlock()
	}()
	w.leave()
}

func (w *worker) ready() {
	features := []string{"enqueue", "extend"}
	if !w.config_.LateCancel {
		features = append(features, "cancel")
	}
	said := map[string]any{"proto": protocolVersion, "pid": os.Getpid(), "features": features,
		"signals": []string{"TERM", "ABRT"},
		"sdk":     map[string]string{"name": "workman-go", "version": Version, "lang": runtime.Version()}}
	if w.concurrency > 1 {
		said["concurrency"] = w.concurrency
	}
	all := make([]any, len(order))
	for i, task := range order {
		all[i] = task.announcement()
	}
	said["tasks"] = all
	text, _ := encode(said)
	w.send(append(append([]byte(`{"type":"ready",`), text[1:]...), '\n'))
}

// ---- signals ----

// watchSignals has INT and PIPE delivered, too, rather than ignored, which children would inherit.
func (w *worker) watchSignals() {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGABRT, syscall.SIGINT, syscall.SIGPIPE)
	go func() {
		for number := range signals {
			switch number {
			case syscall.SIGTERM, syscall.SIGHUP:
				w.stop(false)
			case syscall.SIGABRT:
				w.stop(true)
			}
		}
	}()
}

func (w *worker) stop(abort bool) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.drain = true
	if abort && !w.serving {
		os.Exit(0)
	}
	w.giveBack()
	if abort {
		for _, job := range w.jobs {
			go w.interrupt(job, "")
		}
	}
	w.leaveIfDone()
}

// leaveIfDone is called with the mutex held.
func (w *worker) leaveIfDone() {
	if len(w.jobs) == 0 && len(w.parked) == 0 && (w.drain || w.eof) {
		select {
		case w.idle <- struct{}{}:
		default:
		}
	}
}

// leave waits for the end. What came before the signal is answered: nothing may be left to read.
func (w *worker) leave() {
	for range w.idle {
		w.reading.Lock()
		w.mutex.Lock()
		if len(w.jobs) == 0 && len(w.parked) == 0 && (w.eof || !w.readable()) {
			w.serving = false
			w.mutex.Unlock()
			break // Nothing more is read: the lock is kept.
		}
		w.leaveIfDone()
		w.mutex.Unlock()
		w.reading.Unlock()
		runtime.Gosched()
	}
	if w.config_.OnExit != nil {
		w.config_.OnExit()
	}
	os.Exit(0)
}

// ---- lines ----

func (w *worker) handle(line []byte) {
	var m message
	if err := json.Unmarshal(line, &m); err != nil {
		w.unreadable(line, err)
		return
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	switch m.Type {
	case "job":
		w.take(m)
	case "cancel":
		if job := w.jobs[m.ID]; job != nil {
			job.cancelFor(m.Reason)
		}
	case "reply":
		if reply := w.replies[m.ID]; reply != nil {
			delete(w.replies, m.ID)
			reply <- m
		}
	case "shutdown":
		w.refuse = true
		w.giveBack()
	case "hello":
		w.hello = m
		if m.ProtoMin > protocolVersion {
			note("the daemon speaks no version %d of the protocol", protocolVersion)
			os.Exit(exitConfig)
		}
	}
}

// unreadable answers a job whose arguments nest too deep for encoding/json.
func (w *worker) unreadable(line []byte, err error) {
	text := string(line)
	if strings.TrimSpace(text) == "" {
		return
	}
	note("a line that cannot be read: %.100s", text)
	const start = `{"type":"job","id":"`
	if strings.HasPrefix(text, start) && strings.HasSuffix(strings.TrimSpace(text), "}") {
		id, _, _ := strings.Cut(text[len(start):], `"`)
		job := &Job{message: message{ID: id}}
		w.send(job.line("fail", failure(&Failure{Message: err.Error(), Code: "unreadable_args"}, "")))
	}
}

// take, giveBack and start are called with the mutex held.
func (w *worker) take(m message) {
	job, err := newJob(w, m)
	switch {
	case m.ID == "":
		note("%v", err)
	case err != nil:
		w.send(job.line("fail", failure(&Failure{Message: err.Error(), Code: "unreadable_args"}, "")))
	case w.drain || w.refuse:
		w.send(job.line("abort", []byte(`,"reason":"stopping","requeue":true`)))
	case tasks[m.Task] == nil:
		text := fmt.Sprintf("no task %q here", m.Task)
		w.send(job.line("fail", failure(&Failure{Message: text, Code: "task_not_found"}, "")))
	case len(w.jobs) >= w.concurrency:
		w.parked = append(w.parked, job)
	default:
		w.start(job)
	}
}

func (w *worker) giveBack() {
	for _, job := range w.parked {
		w.send(job.line("abort", []byte(`,"reason":"stopping","requeue":true`)))
	}
	w.parked = nil
}

func (w *worker) start(job *Job) {
	job.task = tasks[job.message.Task]
	w.jobs[job.message.ID] = job
	go w.work(job)
}

// ended is the end of a job, whose outcome is out.
func (w *worker) ended(job *Job) {
	job.cancel()
	w.mutex.Lock()
	defer w.mutex.Unlock()
	delete(w.jobs, job.message.ID)
	if len(w.parked) > 0 {
		next := w.parked[0]
		w.parked = w.parked[1:]
		w.start(next)
	}
	w.leaveIfDone()
}

func (w *worker) enqueueNow(job *Job, text []byte) (json.RawMessage, error) {
	if !w.supervised {
		return nil, &Refused{"a reply comes only to a worker of a daemon"}
	}
	reply := make(chan message, 1)
	w.mutex.Lock()
	w.refs++
	ref := "r" + strconv.Itoa(w.refs)
	w.replies[ref] = reply
	w.mutex.Unlock()
	w.send([]byte(`{"type":"enqueue",` + string(text) + `,"ref":"` + ref + "\"}\n"))
	select {
	case m := <-reply:
		if m.OK {
			return m.Result, nil
		}
		var refusal struct{ Message string }
		if json.Unmarshal(m.Error, &refusal) != nil || refusal.Message == "" {
			refusal.Message = "no reason given"
		}
		return nil, &Refused{refusal.Message}
	case <-job.Done():
		return nil, job.Err()
	case <-w.gone:
		return nil, &Refused{"the daemon has gone"}
	}
}

// ---- one job: running, then finishing or aborting, then closed ----

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
