package workman

import (
	"encoding/json"
	"os"
	"runtime"
	"sync"
)

const exitConfig = 78

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
