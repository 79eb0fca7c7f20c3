package workman

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"
	"unsafe"
)

// channel is the two descriptors of a worker: whole lines in, whole lines out.
type channel struct {
	supervised bool
	input      int
	output     int
	instead    func(line []byte) // where lines go without a daemon
	output_    sync.Mutex
}

func newChannel() *channel {
	c := &channel{supervised: os.Getenv("WORKMAN") != "", input: -1, output: -1}
	if c.supervised {
		c.takeDescriptors()
	}
	return c
}

// takeDescriptors keeps what children must not inherit, nor the word that they are workers.
func (c *channel) takeDescriptors() {
	given := func(name string, otherwise int) int {
		defer os.Unsetenv(name)
		if fd, err := strconv.Atoi(os.Getenv(name)); err == nil {
			return fd
		}
		return otherwise
	}
	os.Unsetenv("WORKMAN")
	in, out := given("WORKMAN_IN", 0), given("WORKMAN_OUT", 1)
	c.output = keep(out)
	// A description of our own where that can be had: it is made non-blocking later.
	own, err := syscall.Open("/proc/self/fd/"+strconv.Itoa(in), syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if c.input = own; err != nil || own < 3 {
		c.input = keep(in)
	}
	for _, fd := range []int{in, out} {
		if fd > 2 {
			syscall.Close(fd)
		}
	}
	null, _ := syscall.Open(os.DevNull, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	syscall.Dup3(null, 0, 0)
	if syscall.Dup3(2, 1, 0) != nil { // There is no stderr.
		syscall.Dup3(null, 1, 0)
	}
	if null > 2 {
		syscall.Close(null)
	}
}

// keep copies a descriptor to 3 or above, closed on exec.
func keep(fd int) int {
	copied, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, 3)
	if errno != 0 {
		return -1
	}
	return int(copied)
}

func note(format string, values ...any) {
	fmt.Fprintf(os.Stderr, "<4>workman: "+format+"\n", values...)
}

// send writes a line, which ends with LF. A daemon that has gone ends the process.
func (c *channel) send(line []byte) {
	c.output_.Lock()
	defer c.output_.Unlock()
	if c.instead != nil {
		c.instead(line)
		return
	}
	for len(line) > 0 {
		n, err := syscall.Write(c.output, line)
		if err == syscall.EINTR || err == syscall.EAGAIN {
			continue
		}
		if err != nil {
			note("cannot write to the daemon: %v", err)
			os.Exit(1)
		}
		line = line[n:]
	}
}

// readable is whether there is something to read now.
func (c *channel) readable() bool {
	var waiting int32
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(c.input), syscall.TIOCINQ, uintptr(unsafe.Pointer(&waiting)))
	return errno == 0 && waiting > 0
}

// read hands over each whole line, without its LF, until the input ends; while it reads and hands
// over it holds the lock. What stands after the last LF is no message: nobody would hear its outcome.
func (c *channel) read(lock sync.Locker, handle func(line []byte)) {
	syscall.SetNonblock(c.input, true) // For the poller of the runtime, which costs no thread.
	raw, err := os.NewFile(uintptr(c.input), "input").SyscallConn()
	if err != nil {
		note("cannot read from the daemon: %v", err)
		return
	}
	lines := splitter{buffer: make([]byte, 65536), first: true}
	raw.Read(func(fd uintptr) bool {
		lock.Lock()
		defer lock.Unlock()
		for {
			n, err := syscall.Read(int(fd), lines.buffer)
			if err == syscall.EAGAIN {
				return false
			}
			if err == syscall.EINTR {
				continue
			}
			if n <= 0 || err != nil {
				return true
			}
			lines.split(lines.buffer[:n], handle) // Then again: the poller tells a change once.
		}
	})
}

// splitter cuts what is read into lines.
type splitter struct {
	buffer, rest []byte
	first        bool
}

func (s *splitter) split(chunk []byte, handle func(line []byte)) {
	if s.first {
		chunk, s.first = bytes.TrimPrefix(chunk, []byte("\xef\xbb\xbf")), false
	}
	for {
		end := bytes.IndexByte(chunk, '\n')
		if end < 0 {
			s.rest = append(s.rest, chunk...)
			return
		}
		line := chunk[:end]
		if len(s.rest) > 0 {
			line = append(s.rest, line...)
			s.rest = nil
		}
		chunk = chunk[end+1:]
		handle(line)
	}
}

var errNotJSON = errors.New("not JSON")

// encode is JSON without the escapes for HTML.
func encode(value any) ([]byte, error) {
	switch known := value.(type) {
	case nil:
		return []byte("null"), nil
	case json.RawMessage:
		if len(known) == 0 {
			return []byte("null"), nil
		}
		if !json.Valid(known) {
			return nil, errNotJSON
		}
		var compact bytes.Buffer
		err := json.Compact(&compact, known)
		return compact.Bytes(), err
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}
