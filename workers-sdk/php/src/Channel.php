<?php

declare(strict_types=1);

namespace Workman;

/**
 * The two descriptors that lead to the daemon: whole lines in, whole lines out. With ext-ffi they are
 * private copies, closed in children, and descriptor 1 is stderr. Without it PHP has no dup2(): what
 * the worker itself prints is led to stderr, but children inherit the protocol; `channel: fd` in the
 * profile keeps them off its output then.
 */
class Channel
{
    private const LIBC = 'struct pollfd {int fd; short events; short revents;};
        int dup2(int, int); int fcntl(int, int, ...); int close(int); int open(const char *, int, ...);
        int poll(struct pollfd *, unsigned long, int);
        char *mmap(void *, size_t, int, int, int, long); int madvise(void *, size_t, int);';
    private const SIZE = 8192;
    private const F_DUPFD_CLOEXEC = 1030;
    private const F_SETFD = 2;
    private const FD_CLOEXEC = 1;
    private const PAGE = 4096;
    private const READ_WRITE = 3; // PROT_READ | PROT_WRITE
    private const PRIVATE_PAGE = 0x22; // MAP_PRIVATE | MAP_ANONYMOUS
    private const WIPE_ON_FORK = 18; // MADV_WIPEONFORK

    private static ?self $claimed = null;
    /** @var list<string> What has come and is not dealt with. */
    protected array $lines = [];
    protected bool $eof = false;
    /** While it is not 0 an interruption waits: no line is torn and no input is lost. */
    protected int $guard = 0;
    protected bool $pending = false; // One waits.
    protected bool $supervised = false;
    private string $rest = '';
    private int $searched = 0;
    private bool $started = false;
    private mixed $in = null;
    private mixed $out = null;
    private ?\FFI $libc = null;
    private mixed $poll = null;
    private mixed $wait = null; // The address of $poll.
    private mixed $mark = null; // A page that is empty in a child.
    protected int $pid;

    /** Takes the protocol away from descriptors 0 and 1; a worker is made of this later. */
    public static function claim(): void
    {
        if (self::$claimed !== null) {
            return;
        }
        self::$claimed = new self();
        self::$claimed->take();
    }

    protected function adopt(): void
    {
        if (self::$claimed !== null) {
            foreach (['in', 'out', 'libc', 'poll', 'wait', 'mark'] as $name) {
                $this->$name = self::$claimed->$name;
            }
            $this->supervised = true;
        }
    }

    private function take(): void
    {
        [$in, $out] = [getenv('WORKMAN_IN'), getenv('WORKMAN_OUT')];
        foreach (['WORKMAN', 'WORKMAN_IN', 'WORKMAN_OUT'] as $name) {
            putenv($name);
            unset($_ENV[$name], $_SERVER[$name]);
        }
        ini_set('display_errors', 'stderr');
        try {
            $this->libc = extension_loaded('ffi') ? \FFI::cdef(self::LIBC) : null;
        } catch (\FFI\Exception) { // Switched off by ffi.enable.
        }
        if ($this->libc !== null) {
            $this->move($in === false ? 0 : (int) $in, $out === false ? 1 : (int) $out);
            return;
        }
        $this->in = $in === false ? \STDIN : fopen('php://fd/' . $in, 'r');
        $this->out = $out === false ? \STDOUT : fopen('php://fd/' . $out, 'w');
        stream_set_read_buffer($this->in, 0);
        if ($out === false) {
            ob_start(static function (string $text): string {
                @fwrite(\STDERR, $text);
                return '';
            }, 1);
        }
    }

    private function move(int $in, int $out): void
    {
        $libc = $this->libc;
        [$this->in, $number] = $this->open($in, 'r');
        [$this->out] = $this->open($out, 'w');
        foreach ([$in, $out] as $fd) {
            if ($fd > 2) {
                $libc->close($fd);
            }
        }
        $null = $libc->open('/dev/null', 2);
        $libc->dup2($null, 0);
        if ($libc->dup2(2, 1) < 0) { // There is no stderr.
            $libc->dup2($null, 1);
        }
        if ($null > 2) {
            $libc->close($null);
        }
        $this->poll = $libc->new('struct pollfd');
        $this->poll->fd = $number;
        $this->poll->events = 1;
        $this->wait = \FFI::addr($this->poll);
        $page = $libc->mmap(null, self::PAGE, self::READ_WRITE, self::PRIVATE_PAGE, -1, 0);
        if ($libc->madvise($page, self::PAGE, self::WIPE_ON_FORK) === 0) {
            $page[0] = "\1";
            $this->mark = $page;
        }
    }

    /**
     * A stream on a copy of the descriptor that children do not inherit, and the copy's number. PHP copies a
     * descriptor once more, to the lowest free number, and without close-on-exec.
     */
    private function open(int $fd, string $mode): array
    {
        $libc = $this->libc;
        $copy = $libc->fcntl($fd, self::F_DUPFD_CLOEXEC, 3);
        $number = $libc->fcntl($fd, self::F_DUPFD_CLOEXEC, 0);
        $libc->close($number);
        $stream = fopen('php://fd/' . $copy, $mode);
        $libc->fcntl($number, self::F_SETFD, self::FD_CLOEXEC);
        $libc->close($copy);
        stream_set_read_buffer($stream, 0);
        return [$stream, $number];
    }

    /** Whether this is a child that a job forked. Asked for each job: a look at memory costs no system call. */
    protected function forked(): bool
    {
        return $this->mark !== null ? $this->mark[0] === "\0" : \getmypid() !== $this->pid;
    }

    /** For a forked child, which must not speak for us nor hold our pipes open. */
    protected function drop(): void
    {
        foreach ([$this->in, $this->out] as $one) {
            if ($one !== \STDIN && $one !== \STDOUT) {
                fclose($one);
            }
        }
        $this->out = null;
    }

    /** Writes one line, whole. Nobody there: the daemon is gone, and so is the point of the job. */
    protected function write(string $line): void
    {
        if ($this->out === null) {
            return;
        }
        $line .= "\n";
        $written = (int) @\fwrite($this->out, $line);
        while ($written < \strlen($line)) {
            $line = \substr($line, $written);
            $written = $this->put($line);
        }
    }

    /** PHP tells of every error but a signal that came before a byte was written. */
    private function put(string $line): int
    {
        error_clear_last();
        $written = @fwrite($this->out, $line);
        if ($written === false && error_get_last() !== null) {
            $this->gone();
        }
        return (int) $written;
    }

    private function gone(): never
    {
        Text::note('cannot write to the daemon');
        exit(1);
    }

    /**
     * Waits for input, up to so many milliseconds, and keeps the whole lines. True if there was anything;
     * a signal ends the wait.
     */
    protected function fill(int $timeout): bool
    {
        if ($this->eof) {
            return false;
        }
        $libc = $this->libc;
        if ($libc !== null) {
            $ready = $libc->poll($this->wait, 1, $timeout);
        } else {
            [$read, $write, $except] = [[$this->in], null, null];
            $ready = @stream_select($read, $write, $except, intdiv($timeout, 1000), $timeout % 1000 * 1000);
        }
        if ($ready < 1) {
            return false;
        }
        $chunk = (string) \fread($this->in, self::SIZE);
        // Nearly always a whole line; a call for each would be felt.
        if ($this->started && $this->rest === '' && $chunk !== '' && \strpos($chunk, "\n") === \strlen($chunk) - 1) {
            $this->lines[] = $chunk;
        } else {
            $this->keep($chunk);
        }
        return true;
    }

    /** As fill(), from inside a job. */
    protected function look(int $timeout): bool
    {
        $this->guard++;
        $more = $this->fill($timeout);
        $this->unguard();
        return $more;
    }

    protected function unguard(): void
    {
        $this->guard--;
        if ($this->pending) {
            $this->release();
        }
    }

    /** An interruption that waited may go on. */
    protected function release(): void
    {
    }

    private function keep(string $chunk): void
    {
        if ($chunk === '') {
            $this->eof = true;
            return;
        }
        if (!$this->started) {
            $this->started = true;
            $chunk = str_starts_with($chunk, "\xEF\xBB\xBF") ? \substr($chunk, 3) : $chunk;
        }
        if ($this->rest === '' && \strpos($chunk, "\n") === \strlen($chunk) - 1) {
            $this->lines[] = $chunk;
            return;
        }
        $this->split($chunk);
    }

    /** A long line comes in many chunks: what was searched is not searched again. */
    private function split(string $chunk): void
    {
        $this->rest .= $chunk;
        $start = 0;
        while (($end = \strpos($this->rest, "\n", $this->searched)) !== false) {
            $this->lines[] = \substr($this->rest, $start, $end - $start);
            $start = $this->searched = $end + 1;
        }
        if ($start > 0) {
            $this->rest = \substr($this->rest, $start);
        }
        $this->searched = \strlen($this->rest);
    }
}
