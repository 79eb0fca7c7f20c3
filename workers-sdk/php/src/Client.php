<?php

declare(strict_types=1);

namespace Workman;

/** The daemon refused the request; the message is its sentence. */
class ClientError extends \RuntimeException
{
}

/** No daemon answers; the message names every path that was tried. */
class NoDaemon extends ClientError
{
}

/** The time to wait for a result is over; the job goes on. */
class WaitTimeout extends ClientError
{
}

/** The job's final outcome is a failure; failure is its whole error object. */
class JobFailed extends ClientError
{
    public function __construct(string $message, public readonly mixed $failure)
    {
        parent::__construct($message);
    }
}

/**
 * The producer: puts jobs on a profile's queue through the daemon's control socket, whatever queue that
 * is. new Client('thumbs') or new Client(socket: '/run/workman/thumbs.sock'); in a worker, new Client()
 * means its own daemon's profile. It connects for each request. assoc: objects in results are arrays.
 */
final class Client
{
    private ?string $profile;

    public function __construct(?string $profile = null, private ?string $socket = null, private bool $assoc = false)
    {
        $this->profile = $profile ?? (getenv('WORKMAN_PROFILE') ?: null);
        if ($this->profile === null && $socket === null) {
            throw new \InvalidArgumentException('give a profile\'s name or socket: PATH');
        }
    }

    /**
     * Puts a job on the queue and returns the queue's id of it. delay is in seconds, priority is "high",
     * "normal" or "low"; a job with the unique key of a waiting one is not added.
     */
    public function enqueue(string $task, mixed $args = null, ?float $delay = null, ?string $priority = null,
        ?string $unique = null, ?int $maxAttempts = null): string
    {
        $spec = Text::spec($task, $args, $delay, $priority, $unique, $maxAttempts);
        return (string) $this->ask('{"verb":"enqueue",' . $spec . '}')['id'];
    }

    /** The same under the name that is clear beside enqueueWithWait(). */
    public function enqueueBackground(string $task, mixed $args = null, mixed ...$options): string
    {
        return $this->enqueue($task, $args, ...$options);
    }

    /**
     * Waits for the final outcome, retries included, and returns the result. Throws JobFailed, or
     * WaitTimeout after `timeout` seconds: the job goes on then.
     */
    public function enqueueWithWait(string $task, mixed $args = null, ?float $timeout = null, ?float $delay = null,
        ?string $priority = null, ?string $unique = null, ?int $maxAttempts = null): mixed
    {
        $spec = Text::spec($task, $args, $delay, $priority, $unique, $maxAttempts);
        $reply = $this->ask('{"verb":"enqueue",' . $spec . ',"wait":true'
            . Text::members(timeout_ms: Text::ms($timeout)) . '}');
        return isset($reply['result_b64']) ? new Bytes(base64_decode($reply['result_b64'])) : $reply['result'] ?? null;
    }

    public function status(): mixed
    {
        return $this->ask('{"verb":"status"}')['status'];
    }

    /** One request of the control socket, one reply. */
    private function ask(string $line): array
    {
        $socket = $this->connect();
        // A stream gives up after default_socket_timeout; a wait has no end but its own.
        stream_set_timeout($socket, PHP_INT_MAX >> 32);
        $rest = $line . "\n";
        while ($rest !== '' && ($written = @fwrite($socket, $rest)) > 0) {
            $rest = substr($rest, $written);
        }
        $answer = '';
        while (!str_ends_with($answer, "\n") && !feof($socket)) {
            $answer .= (string) fgets($socket);
        }
        fclose($socket);
        if (!str_ends_with($answer, "\n")) {
            throw new ClientError('the daemon has gone before it answered; nobody knows what became of the request');
        }
        $reply = (array) Text::value($answer, $this->assoc);
        return match (true) {
            $reply['ok'] ?? false => $reply,
            $reply['timeout'] ?? false => throw new WaitTimeout($reply['error'] ?? 'the wait ran out; the job goes on'),
            array_key_exists('failure', $reply) => throw new JobFailed($reply['error'] ?? 'failed', $reply['failure']),
            default => throw new ClientError($reply['error'] ?? 'refused'),
        };
    }

    /** @return list<string> */
    private function paths(): array
    {
        if ($this->socket !== null) {
            return [$this->socket];
        }
        $runtime = getenv('XDG_RUNTIME_DIR');
        $folders = ['/run/workman', ...($runtime ? [$runtime . '/workman'] : []), '/tmp/workman-' . posix_geteuid()];
        return array_map(fn ($folder) => $folder . '/' . $this->profile . '.sock', $folders);
    }

    /** @return resource */
    private function connect()
    {
        $tried = [];
        foreach ($this->paths() as $path) {
            $reason = $this->distrust($path);
            $socket = $reason === null ? @stream_socket_client('unix://' . $path, $code, $reason) : false;
            if ($socket !== false) {
                return $socket;
            }
            $tried[] = '  ' . $path . ': ' . $reason;
        }
        throw new NoDaemon('no running daemon of the profile ' . ($this->profile ?? 'behind this socket') . " found; tried:\n"
            . implode("\n", $tried) . "\nThe daemon must run for this. Without it, the command line puts a job on the queue"
            . " as well:\n  workman enqueue -p PROFILE.yaml TASK 'JSON'");
    }

    /** A socket that somebody else could have put there gets no job of ours. */
    private function distrust(string $path): ?string
    {
        clearstatcache(true, $path);
        $found = @stat($path);
        $me = posix_geteuid();
        return match (true) {
            $found === false => is_dir(dirname($path)) && !is_executable(dirname($path)) ? 'Permission denied'
                : 'No such file or directory',
            $me !== 0 && $found['uid'] !== 0 && $found['uid'] !== $me => 'it belongs to another user',
            ($found['mode'] & 0o002) !== 0 => 'everybody may write to it',
            default => null,
        };
    }
}
