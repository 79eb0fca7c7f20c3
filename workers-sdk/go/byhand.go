package workman

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

const usage = `%[1]s is a worker: workmand starts it and hands it jobs. In a profile:

  command: [%[1]s]

By hand:

  %[1]s --list             prints the names of its tasks
  %[1]s --run TASK [JSON]  runs one, prints its result; exit status 1 if it fails
`

// byHand is what a worker does that no daemon started. It returns the exit status.
func byHand(w *worker, arguments []string) int {
	program, arguments := arguments[0], arguments[1:]
	switch {
	case len(arguments) == 1 && arguments[0] == "--list":
		for _, task := range order {
			fmt.Println(task.name)
		}
		return 0
	case len(arguments) == 2 && arguments[0] == "--run":
		return runByHand(w, arguments[1], "null")
	case len(arguments) == 3 && arguments[0] == "--run":
		return runByHand(w, arguments[1], arguments[2])
	case len(arguments) == 0 || arguments[0] == "--help":
		fmt.Printf(usage, program)
		return 0
	}
	fmt.Fprintf(os.Stderr, usage, program)
	return 64
}

func runByHand(w *worker, name, text string) int {
	quit := func(format string, values ...any) int {
		fmt.Fprintf(os.Stderr, format+"\n", values...)
		return 1
	}
	if tasks[name] == nil {
		return quit("no task %q here; --list tells which there are", name)
	}
	if !json.Valid([]byte(text)) {
		return quit("the arguments are not JSON")
	}
	if w.config_.OnBoot != nil {
		if err := w.config_.OnBoot(); err != nil {
			return quit("OnBoot: %v", err)
		}
	}
	last := make(chan []byte, 1)
	w.instead = func(line []byte) {
		for _, kind := range []string{"done", "fail", "abort"} {
			if strings.HasPrefix(string(line), `{"type":"`+kind+`"`) {
				last <- line
				return
			}
		}
		os.Stderr.Write(line)
	}
	job, _ := newJob(w, message{ID: "ByHand000000", Task: name, Args: json.RawMessage(text)})
	w.mutex.Lock()
	w.start(job)
	w.mutex.Unlock()
	var outcome struct {
		Type, Reason string
		Result       json.RawMessage
		Base64       json.RawMessage `json:"result_b64"`
		Error        struct{ Message, Trace string }
		Enqueue      []json.RawMessage
	}
	line := <-last
	json.Unmarshal(line, &outcome)
	if w.config_.OnExit != nil {
		w.config_.OnExit()
	}
	if outcome.Type != "done" {
		return quit("%s: %s%s\n%s", outcome.Type, outcome.Error.Message, outcome.Reason, outcome.Error.Trace)
	}
	for _, one := range outcome.Enqueue {
		fmt.Fprintf(os.Stderr, "would enqueue %s\n", one)
	}
	switch {
	case outcome.Base64 != nil:
		fmt.Printf("%s\n", outcome.Base64)
	case outcome.Result != nil:
		fmt.Printf("%s\n", outcome.Result)
	default:
		fmt.Println("null")
	}
	return 0
}
