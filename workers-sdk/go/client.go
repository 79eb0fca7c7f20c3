package workman

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// ClientError is a refusal of the daemon; the text is its sentence.
type ClientError struct{ Sentence string }

func (e *ClientError) Error() string { return e.Sentence }

// NoDaemon is that no daemon answers; the text names every path that was tried.
type NoDaemon struct{ ClientError }

// WaitTimeout is that a wait ran out; the job goes on.
type WaitTimeout struct{ ClientError }

// JobFailed is a final outcome that is a failure; Failure is its whole error object.
type JobFailed struct {
	ClientError
	Failure json.RawMessage
}

// Client puts jobs on a profile's queue through the daemon's control socket. It connects for each
// request, so goroutines may share it.
type Client struct {
	Profile string // none: in a worker, its own daemon's
	Socket  string // a path, in place of a profile
}

// Result is what a waiting caller gets: JSON, or bytes where the result is none.
type Result struct {
	JSON  json.RawMessage
	Bytes Bytes
}

// Enqueue puts a job on the queue and returns the queue's id of it.
func (c Client) Enqueue(ctx context.Context, task string, args any, options ...EnqueueOptions) (string, error) {
	reply, err := c.enqueue(ctx, task, args, options, "")
	return reply.ID, err
}

// EnqueueBackground is Enqueue.
func (c Client) EnqueueBackground(ctx context.Context, task string, args any, options ...EnqueueOptions) (string, error) {
	return c.Enqueue(ctx, task, args, options...)
}

// EnqueueWithWait waits for the final outcome, retries included. It fails with *JobFailed, or, when
// the context's deadline has come, with *WaitTimeout: the job goes on then.
func (c Client) EnqueueWithWait(ctx context.Context, task string, args any, options ...EnqueueOptions) (Result, error) {
	more := `,"wait":true`
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline).Round(time.Millisecond).Milliseconds()
		more += fmt.Sprintf(`,"timeout_ms":%d`, max(int(left), 0))
		var cancel context.CancelFunc // The daemon keeps the time, and says what becomes of the job.
		ctx, cancel = context.WithDeadline(context.Background(), deadline.Add(5*time.Second))
		defer cancel()
	}
	reply, err := c.enqueue(ctx, task, args, options, more)
	if err != nil {
		return Result{}, err
	}
	if reply.Base64 == nil {
		return Result{JSON: reply.Result}, nil
	}
	decoded, err := base64.StdEncoding.DecodeString(*reply.Base64)
	return Result{Bytes: decoded}, err
}

// Status is the daemon's status.
func (c Client) Status(ctx context.Context) (json.RawMessage, error) {
	reply, err := c.ask(ctx, `{"verb":"status"}`)
	return reply.Status, err
}

type reply struct {
	OK      bool            `json:"ok"`
	ID      string          `json:"id"`
	Result  json.RawMessage `json:"result"`
	Base64  *string         `json:"result_b64"`
	Error   string          `json:"error"`
	Timeout bool            `json:"timeout"`
	Failure json.RawMessage `json:"failure"`
	Status  json.RawMessage `json:"status"`
}

func (c Client) enqueue(ctx context.Context, task string, args any, options []EnqueueOptions, more string) (reply, error) {
	text, err := spec(task, args, options)
	if err != nil {
		return reply{}, err
	}
	return c.ask(ctx, `{"verb":"enqueue",`+string(text)+more+"}")
}

// ask is one request of the control socket and its reply.
func (c Client) ask(ctx context.Context, request string) (answer reply, err error) {
	connection, err := c.connect(ctx)
	if err != nil {
		return answer, err
	}
	defer connection.Close()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-ctx.Done():
			connection.Close()
		case <-stop:
		}
	}()
	if _, err := connection.Write([]byte(request + "\n")); err != nil {
		return answer, &ClientError{"the daemon broke off: " + err.Error()}
	}
	line, err := bufio.NewReader(connection).ReadBytes('\n')
	if ctx.Err() != nil {
		return answer, ctx.Err()
	}
	if err != nil {
		return answer, &ClientError{"the daemon has gone before it answered; nobody knows what became of the request"}
	}
	if err := json.Unmarshal(line, &answer); err != nil {
		return answer, &ClientError{"the daemon's answer cannot be read: " + err.Error()}
	}
	refusal := ClientError{answer.Error}
	switch {
	case answer.OK:
		return answer, nil
	case answer.Timeout:
		return answer, &WaitTimeout{refusal}
	case answer.Failure != nil:
		return answer, &JobFailed{refusal, answer.Failure}
	}
	return answer, &refusal
}

func (c Client) paths() []string {
	if c.Socket != "" {
		return []string{c.Socket}
	}
	name := c.Profile + ".sock"
	paths := []string{"/run/workman/" + name}
	if runtime := os.Getenv("XDG_RUNTIME_DIR"); runtime != "" {
		paths = append(paths, runtime+"/workman/"+name)
	}
	return append(paths, fmt.Sprintf("/tmp/workman-%d/%s", os.Getuid(), name))
}

func (c Client) connect(ctx context.Context) (net.Conn, error) {
	if c.Profile == "" {
		c.Profile = os.Getenv("WORKMAN_PROFILE")
	}
	if c.Profile == "" && c.Socket == "" {
		return nil, &ClientError{"give a profile's name or a socket"}
	}
	var tried []string
	for _, path := range c.paths() {
		err := trusted(path)
		if err == nil {
			var connection net.Conn
			if connection, err = (&net.Dialer{}).DialContext(ctx, "unix", path); err == nil {
				return connection, nil
			}
		}
		var errno syscall.Errno
		if errors.As(err, &errno) {
			err = errno
		}
		tried = append(tried, fmt.Sprintf("  %s: %v", path, err))
	}
	where := c.Profile
	if c.Socket != "" {
		where = "behind this socket"
	}
	return nil, &NoDaemon{ClientError{"no running daemon of the profile " + where + " found; tried:\n" +
		strings.Join(tried, "\n") + "\nThe daemon must run for this. Without it, the command line puts a job " +
		"on the queue as well:\n  workman enqueue -p PROFILE.yaml TASK 'JSON'"}}
}

// trusted refuses a socket that somebody else could have put there.
func trusted(path string) error {
	found, err := os.Stat(path)
	if err != nil {
		return err
	}
	owner := int(found.Sys().(*syscall.Stat_t).Uid)
	if me := os.Getuid(); owner != 0 && owner != me && me != 0 {
		return errors.New("belongs to another user")
	}
	if found.Mode().Perm()&0o002 != 0 {
		return errors.New("everybody may write to it")
	}
	return nil
}
