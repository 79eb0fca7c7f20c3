package workman

import (
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

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
	if abort {
		w.mutex.Unlock()
		w.catchUp()
		w.mutex.Lock()
	}
	w.giveBack()
	if abort {
		for _, job := range w.jobs {
			go w.interrupt(job, "")
		}
	}
	w.leaveIfDone()
}

// catchUp waits until what came before the signal is handled: a `cancel` says why the job must end.
// It does not wait for a daemon that reads nothing.
func (w *worker) catchUp() {
	for end := time.Now().Add(settle); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if !w.readable() && w.reading.TryLock() {
			w.reading.Unlock()
			return
		}
	}
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
