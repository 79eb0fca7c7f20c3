package workman

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
)

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
