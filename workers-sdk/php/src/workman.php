<?php

/**
 * Workers for workmand in PHP 8.1 or later: ext-pcntl for signals, ext-ffi to keep children off the
 * protocol; nothing else. README.md shows how it is used. Load this file first: in a worker it moves
 * the protocol away from descriptors 0 and 1, so that no echo and no child can damage it. Jobs run
 * one at a time; a signal is handled between two steps of PHP code.
 */

declare(strict_types=1);

namespace Workman;

const VERSION = '0.1.0';
const PROTOCOL = 1;

/** The job failed. The code (a word) and data go to the queue; after is in seconds. */
class Failure extends \Exception
{
    public const RETRY = null;

    public function __construct(string $message = '', public readonly ?string $word = null,
        public readonly mixed $data = null, public readonly ?float $after = null)
    {
        parent::__construct($message);
    }
}

/** Try again, `after` so many seconds (null: the back-off), never beyond max_attempts. */
class Retry extends Failure
{
    public const RETRY = true;
}

/** No further try can help. */
class Permanent extends Failure
{
    public const RETRY = false;
}

/** Not done, give it back: no attempt is counted. requeue: null leaves it to the policy. */
class Abort extends \Exception
{
    public function __construct(string $reason = 'given back by the task',
        public readonly ?bool $requeue = null, public readonly ?float $after = null)
    {
        parent::__construct($reason);
    }
}

/** The daemon did not take an enqueue(…, now: true). */
class Refused extends \Exception
{
}

/** Thrown into the running job by SIGABRT. reason is "timeout", "shutdown" or "revoked". */
class ForceKilled extends \Error
{
    public string $reason = 'shutdown';
}

/** Bytes that are no text: as arguments, as a result. They travel as base64. */
final class Bytes implements \Stringable
{
    public function __construct(public readonly string $data)
    {
    }

    public function __toString(): string
    {
        return $this->data;
    }
}

/**
 * A task: its name, its options, its code. As an attribute it makes a task of a class with a method
 * run($args, Job $job), whose hooks are methods: onStart(Job), onDone(Job, $result),
 * onFail(Job, Throwable) and onAbort(Job, ForceKilled), which says by true or false whether the job
 * goes back. Options are for the daemon, the profile wins: timeout and stall in seconds, backoff
 * (seconds, or [first, most] to grow from one to the other), payload "json", "text" or "base64", and
 * onAbort, the policy of an abort that no hook decides: "requeue", "fail" or "drop".
 */
#[\Attribute(\Attribute::TARGET_CLASS)]
final class Task
{
    public ?\Closure $run = null;
    /** @var array<string, callable> */
    public array $hooks = [];

    public function __construct(public string $name = '', public ?float $timeout = null, public ?float $stall = null,
        public ?int $maxAttempts = null, public ?int $limit = null, public float|array|null $backoff = null,
        public ?string $payload = null, public ?string $desc = null, public ?string $onAbort = null)
    {
    }

    public function onStart(callable $hook): self
    {
        return $this->hook('onStart', $hook);
    }

    public function onDone(callable $hook): self
    {
        return $this->hook('onDone', $hook);
    }

    public function onFail(callable $hook): self
    {
        return $this->hook('onFail', $hook);
    }

    public function onAbort(callable $hook): self
    {
        return $this->hook('onAbort', $hook);
    }

    public function hook(string $name, callable $hook): self
    {
        $this->hooks[$name] = $hook;
        return $this;
    }

    /** The task that a class or an object is. */
    public static function of(string|object $class): self
    {
        $known = new \ReflectionClass($class);
        $attribute = $known->getAttributes(self::class)[0] ?? null;
        $task = $attribute ? $attribute->newInstance() : new self();
        $task->name = $task->name !== '' ? $task->name : $known->getShortName();
        $object = is_object($class) ? $class : $known->newInstance();
        $task->run = $object->run(...);
        foreach (['onStart', 'onDone', 'onFail', 'onAbort'] as $hook) {
            if ($known->hasMethod($hook)) {
                $task->hooks[$hook] = $object->$hook(...);
            }
        }
        return $task;
    }

    /** What `ready` says of this task. */
    public function announcement(): array|string
    {
        $backoff = match (true) {
            \is_array($this->backoff) => ['kind' => 'exp', 'base_ms' => Text::ms($this->backoff[0]),
                'max_ms' => Text::ms($this->backoff[1])],
            $this->backoff !== null => ['kind' => 'const', 'base_ms' => Text::ms($this->backoff)],
            default => null,
        };
        $said = array_filter(['timeout_ms' => Text::ms($this->timeout), 'stall_ms' => Text::ms($this->stall),
            'max_attempts' => $this->maxAttempts, 'limit' => $this->limit, 'backoff' => $backoff,
            'payload' => $this->payload, 'desc' => $this->desc, 'on_abort' => $this->onAbort],
            fn ($value) => $value !== null);
        return $said ? ['name' => $this->name] + $said : $this->name;
    }
}

/** JSON as the protocol wants it, and what goes to stderr. */
final class Text
{
    public const DEPTH = 600; // How deep what comes may nest.
    public const FLAGS = JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES | JSON_PRESERVE_ZERO_FRACTION
        | JSON_THROW_ON_ERROR;

    public static function json(mixed $value): string
    {
        return \json_encode($value, self::FLAGS, 511);
    }

    /** Null for what is no JSON. */
    public static function value(string $json, bool $assoc = false): mixed
    {
        return \json_decode($json, $assoc, self::DEPTH);
    }

    public static function ms(int|float|null $seconds): ?int
    {
        return $seconds === null ? null : max(0, (int) round($seconds * 1000));
    }

    /** A member that carries a value: bytes as base64, anything else as JSON. */
    public static function payload(string $name, mixed $value): string
    {
        return $value instanceof Bytes ? '"' . $name . '_b64":"' . base64_encode($value->data) . '"'
            : '"' . $name . '":' . self::json($value);
    }

    /** JSON members, each with a comma before it; those without a value are left out. */
    public static function members(mixed ...$members): string
    {
        $text = '';
        foreach ($members as $name => $value) {
            if ($value !== null) {
                $text .= ',"' . $name . '":' . self::json($value);
            }
        }
        return $text;
    }

    /** What an enqueue asks for. */
    public static function spec(string $task, mixed $args, ?float $delay, ?string $priority, ?string $unique,
        ?int $maxAttempts): string
    {
        return '"task":' . self::json($task) . ',' . self::payload('args', $args) . self::members(
            delay_ms: self::ms($delay), priority: $priority, unique: $unique, max_attempts: $maxAttempts);
    }

    /** Text that is UTF-8 whatever it was. */
    public static function utf8(string $text): string
    {
        return preg_match('//u', $text) ? $text : (string) json_decode((string) json_encode($text, JSON_INVALID_UTF8_SUBSTITUTE));
    }

    public static function note(string $text): void
    {
        @fwrite(\STDERR, '<4>workman: ' . $text . "\n");
    }

    /** Where something was thrown, without the frames of this library. */
    public static function stack(\Throwable $error): string
    {
        $frames = [['file' => $error->getFile(), 'line' => $error->getLine()], ...$error->getTrace()];
        $lines = [];
        foreach ($frames as $i => $frame) {
            if (isset($frame['file']) && !str_starts_with($frame['file'], __DIR__ . '/')) {
                $in = $frames[$i + 1] ?? [];
                $lines[] = $frame['file'] . ':' . $frame['line'] . (isset($in['function'])
                    && !str_starts_with($in['class'] ?? '', 'Workman\\Worker')
                    ? ' in ' . ($in['class'] ?? '') . ($in['type'] ?? '') . $in['function'] : '');
            }
        }
        return self::utf8(implode("\n", $lines));
    }
}

/** The job that runs: what it is asked, and what it can say while it runs. */
final class Job
{
    public readonly string $id;
    public readonly string $task;
    public readonly mixed $args;
    public readonly int $attempt;
    public readonly ?int $maxAttempts;
    /** The time limit as Unix time, or null. */
    public readonly ?float $deadline;
    public array $followUps = [];
    private ?float $ends;

    public function __construct(private Worker $worker, public readonly array $message)
    {
        $this->id = $message['id'];
        $this->task = $message['task'];
        $this->attempt = $message['attempt'] ?? 1;
        $this->maxAttempts = $message['max_attempts'] ?? null;
        $this->deadline = isset($message['deadline_at']) ? $message['deadline_at'] / 1000 : null;
        $this->ends = empty($message['timeout_ms']) ? null : \hrtime(true) / 1e9 + $message['timeout_ms'] / 1000;
        $this->args = isset($message['args_b64']) ? new Bytes((string) base64_decode($message['args_b64'], true))
            : $message['args'] ?? null;
    }

    /** The `config:` block of the profile. */
    public function config(): mixed
    {
        return $this->worker->hello['config'] ?? null;
    }

    /** Seconds until the time limit, or null. */
    public function remaining(): ?float
    {
        return $this->ends === null ? null : $this->ends - \hrtime(true) / 1e9;
    }

    /** Whether the daemon gave this job up; run(cancel: true) makes it say so early. */
    public function cancelled(): bool
    {
        return $this->worker->cancelReason($this) !== null;
    }

    public function progress(int|float $done, int|float|null $total = null, ?string $message = null): void
    {
        $this->say('progress', Text::members(done: $done, total: $total, message: $message));
    }

    /** Sends a part of the result now, where the queue can. */
    public function data(mixed $value, bool $warn = false): void
    {
        $this->say('data', ',' . Text::payload('data', $value) . ($warn ? ',"warn":true' : ''));
    }

    public function log(string $message, string $level = 'info', mixed ...$fields): void
    {
        $this->say('log', Text::members(level: $level, message: Text::utf8($message), fields: $fields ?: null));
    }

    /** Says that the job is alive; extend: moves the time limit by so many seconds. */
    public function heartbeat(?float $extend = null): void
    {
        $this->say('heartbeat', Text::members(extend_ms: Text::ms($extend)));
        if ($extend !== null && $this->ends !== null) {
            $this->ends += $extend;
        }
    }

    /**
     * A new job. It goes onto the queue together with this job's outcome `done`, or, from a hook, with
     * the outcome of that hook. With now: true it goes at once: this returns what the queue said, if
     * anything, or throws Refused.
     */
    public function enqueue(string $task, mixed $args = null, ?float $delay = null, ?string $priority = null,
        ?string $unique = null, ?int $maxAttempts = null, bool $now = false): mixed
    {
        $spec = Text::spec($task, $args, $delay, $priority, $unique, $maxAttempts);
        if ($now) {
            return $this->worker->enqueueNow($spec);
        }
        $this->followUps[] = '{' . $spec . '}';
        return null;
    }

    private function say(string $kind, string $rest): void
    {
        $this->worker->say('{"type":"' . $kind . '","id":"' . $this->id . '"' . $rest . '}');
    }
}

/** As \sleep, in fractions too; SIGTERM does not cut it short. `use function Workman\sleep;` */
function sleep(int|float $seconds): void
{
    $end = \hrtime(true) + (int) ($seconds * 1e9);
    while (($left = $end - \hrtime(true)) > 0) {
        time_nanosleep(intdiv($left, 1_000_000_000), $left % 1_000_000_000);
    }
}

require_once __DIR__ . '/Channel.php';
require_once __DIR__ . '/Signals.php';
require_once __DIR__ . '/Outcomes.php';
require_once __DIR__ . '/Worker.php';

if (getenv('WORKMAN')) {
    Channel::claim();
}

// What only some programs need.
spl_autoload_register(static function (string $class): void {
    $files = ['Workman\\ByHand' => 'ByHand', 'Workman\\Client' => 'Client', 'Workman\\ClientError' => 'Client',
        'Workman\\JobFailed' => 'Client', 'Workman\\NoDaemon' => 'Client', 'Workman\\WaitTimeout' => 'Client'];
    if (isset($files[$class])) {
        require_once __DIR__ . '/' . $files[$class] . '.php';
    }
});
