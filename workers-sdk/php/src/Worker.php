<?php

declare(strict_types=1);

namespace Workman;

/** One process: its tasks, its state, its signals and its jobs. */
final class Worker extends Channel
{
    use Signals;
    use Outcomes;

    // BOOTING and LEAVING: SIGABRT ends the process. IDLE: it drains. RUNNING: it interrupts the job.
    // FINISHING, ABORTING: the outcome is on its way, and SIGABRT only drains.
    private const BOOTING = 0;
    private const IDLE = 1;
    private const RUNNING = 2;
    private const FINISHING = 3;
    private const ABORTING = 4;
    private const LEAVING = 5;
    // How long a signal can go unnoticed that comes just before a wait: PHP handles it between two steps.
    private const BLINK = 1000;
    private const EX_CONFIG = 78;

    /** @var array<string, Task> */
    private array $tasks = [];
    /** @var array<string, list<callable>> */
    private array $hooks = [];
    public array $hello = [];
    private int $state = self::BOOTING;
    private bool $drain = false;
    private bool $refuse = false;
    private ?ForceKilled $killed = null;
    private int $refs = 0;

    /** assoc: objects in arguments are arrays, as with json_decode; an empty one is told from no list then. */
    public function __construct(private bool $assoc = false)
    {
        $this->pid = \getmypid();
        $this->adopt();
    }

    /** Makes a task of code ($args, Job $job). Its options are those of Task. */
    public function task(string $name, callable $run, mixed ...$options): Task
    {
        $task = new Task($name, ...$options);
        $task->run = $run(...);
        return $this->tasks[$name] = $task;
    }

    /** Adds a class or object with a method run($args, Job $job); what carries #[Task] needs no adding. */
    public function add(string|object $class): Task
    {
        $task = Task::of($class);
        return $this->tasks[$task->name] = $task;
    }

    /**
     * Hooks of the process (onBoot, onExit, afterFork) and of every task before its own (onStart, onDone,
     * onFail, onAbort): $worker->onDone(fn (Job $job, $result) => …).
     */
    public function __call(string $name, array $arguments): self
    {
        if (!in_array($name, ['onBoot', 'onExit', 'afterFork', 'onStart', 'onDone', 'onFail', 'onAbort'], true)) {
            throw new \BadMethodCallException('a worker has no method ' . $name);
        }
        $this->hooks[$name][] = $arguments[0];
        return $this;
    }

    /** @return list<string> */
    public function names(): array
    {
        return array_map(strval(...), array_keys($this->tasks));
    }

    /**
     * Runs the worker and never returns. load: files of tasks, relative to the program's folder, which find
     * this worker as $worker; or a closure (Worker $worker). They are loaded here, so that a restart takes
     * the new code. cancel: the daemon says early that a job is cancelled and waits 1 s before it
     * interrupts; for tasks that look at $job->cancelled().
     */
    public function run(string|array|\Closure $load = [], bool $cancel = false): never
    {
        if ($this->supervised) {
            $this->watchSignals();
        }
        foreach (\is_array($load) ? $load : [$load] as $one) {
            $this->load($one);
        }
        foreach (get_declared_classes() as $class) {
            $known = new \ReflectionClass($class);
            if (!$known->isInternal() && $known->getAttributes(Task::class)) {
                $this->add($class);
            }
        }
        if (!$this->supervised) {
            exit(ByHand::main($this));
        }
        $this->serve($cancel);
    }

    private function load(string|\Closure $one): void
    {
        if ($one instanceof \Closure) {
            $one($this);
            return;
        }
        $path = $one[0] === '/' ? $one : dirname($_SERVER['SCRIPT_FILENAME']) . '/' . $one;
        (static function (Worker $worker, string $path): void {
            require $path;
        })($this, $path);
    }

    // ---- what a job may ask for ----

    public function say(string $line): void
    {
        if (!$this->supervised) {
            fwrite(\STDERR, $line . "\n");
        } elseif (!$this->forked()) {
            $this->guard++;
            $this->write($line);
            $this->unguard();
        }
    }

    /** Looks at what has come, and leaves it where it is. */
    public function cancelReason(Job $job): ?string
    {
        while ($this->supervised && $this->look(0)) {
        }
        foreach ($this->lines as $line) {
            if (str_contains($line, '"cancel"') && str_contains($line, $job->id)) {
                $message = Text::value($line, true);
                if (($message['type'] ?? '') === 'cancel' && ($message['id'] ?? '') === $job->id) {
                    return $message['reason'] ?? 'shutdown';
                }
            }
        }
        return null;
    }

    public function enqueueNow(string $spec): mixed
    {
        if (!$this->supervised) {
            throw new Refused('a reply comes only to a worker of a daemon');
        }
        $ref = 'r' . ++$this->refs;
        $this->say('{"type":"enqueue",' . $spec . ',"ref":"' . $ref . '"}');
        for ($seen = 0; ; $this->look(self::BLINK)) {
            for (; $seen < \count($this->lines); $seen++) {
                $message = str_contains($this->lines[$seen], '"reply"') ? $this->parse($this->lines[$seen]) : null;
                if ($message === null || $message['type'] !== 'reply' || ($message['id'] ?? '') !== $ref) {
                    continue;
                }
                array_splice($this->lines, $seen, 1);
                if ($message['ok'] ?? false) {
                    return $message['result'] ?? null;
                }
                throw new Refused(((array) ($message['error'] ?? []))['message'] ?? 'no reason given');
            }
            if ($this->eof) {
                throw new Refused('the daemon has gone');
            }
        }
    }

    // ---- without a daemon ----

    /** The outcome of one job without a daemon, or why there is none. */
    public function byHand(string $name, string $json): object|string
    {
        if (!isset($this->tasks[$name])) {
            return 'no task ' . $name . ' here; --list tells which there are';
        }
        $args = Text::value($json, $this->assoc);
        if (json_last_error() !== JSON_ERROR_NONE) {
            return 'the arguments are not JSON: ' . json_last_error_msg();
        }
        $this->fire('onBoot', null);
        $job = new Job($this, ['id' => 'ByHand000000', 'task' => $name, 'args' => $args]);
        $outcome = Text::value($this->work($this->tasks[$name], $job));
        $this->fire('onExit', null);
        return $outcome;
    }

    // ---- the loop ----

    /** Answers one job. */
    private function take(array $message): void
    {
        try {
            $job = new Job($this, $message);
        } catch (\TypeError $error) {
            Text::note('a job that cannot be read: ' . $error->getMessage());
            return;
        }
        $task = $this->tasks[$job->task] ?? $this->tasks['*'] ?? null;
        if ($this->drain || $this->refuse) {
            $outcome = $this->outcome('abort', $job, Text::members(reason: 'stopping', requeue: true));
        } elseif ($task === null) {
            $outcome = $this->outcome('fail', $job, Text::members(error: [
                'message' => 'no task ' . $job->task . ' here', 'code' => 'task_not_found']));
        } else {
            $outcome = $this->work($task, $job);
        }
        $this->write($outcome);
        $this->state = self::IDLE;
    }

    /** The envelope is an array; what is in args is what the worker wants. Null for what is no message. */
    private function parse(string $line): ?array
    {
        $message = \json_decode($line, $this->assoc, Text::DEPTH);
        if ($message instanceof \stdClass) {
            $message = (array) $message;
        }
        return \is_array($message) && \is_string($message['type'] ?? null) ? $message : null;
    }

    /** Anything but a job. */
    private function handle(string $line): void
    {
        $message = $this->parse($line);
        if ($message === null) {
            $this->unreadable($line);
        } elseif ($message['type'] === 'shutdown') {
            $this->refuse = true;
        } elseif ($message['type'] === 'hello') {
            $this->hello = $message;
            if (($message['proto_min'] ?? 1) > PROTOCOL) {
                Text::note('the daemon speaks no version ' . PROTOCOL . ' of the protocol');
                exit(self::EX_CONFIG);
            }
        }
    }

    /** Not JSON, or JSON beyond PHP, as a lone surrogate: then a job is answered. */
    private function unreadable(string $line): void
    {
        if (trim($line) === '') {
            return;
        }
        Text::note('a line that cannot be read: ' . Text::json(Text::utf8(\substr($line, 0, 100))));
        if (preg_match('/\A\{"type":"job","id":"([0-9A-Za-z]+)"/', $line, $found) && str_ends_with(rtrim($line), '}')) {
            $error = ['message' => 'PHP cannot read these arguments', 'code' => 'unreadable_args'];
            $this->write('{"type":"fail","id":"' . $found[1] . '"' . Text::members(error: $error) . '}');
        }
    }

    private function ready(bool $cancel): void
    {
        $this->write(Text::json(['type' => 'ready', 'proto' => PROTOCOL, 'pid' => $this->pid,
            'signals' => extension_loaded('pcntl') ? ['TERM', 'ABRT'] : [],
            'sdk' => ['name' => 'workman-php', 'version' => VERSION, 'lang' => 'php ' . PHP_VERSION],
            'features' => ['enqueue', 'extend', ...($cancel ? ['cancel'] : [])],
            'tasks' => array_map(fn (Task $task) => $task->announcement(), array_values($this->tasks))]));
    }

    private function serve(bool $cancel): never
    {
        if (!$this->tasks) {
            Text::note('there is no task: nothing was given to task() or add(), and no class has #[Task]');
            exit(self::EX_CONFIG);
        }
        $this->fire('onBoot', null);
        $this->ready($cancel);
        $this->state = self::IDLE;
        while (true) {
            while ($this->lines) {
                $line = \array_shift($this->lines);
                $message = \json_decode($line, $this->assoc, Text::DEPTH); // As parse(); its call would be felt.
                if ($message instanceof \stdClass) {
                    $message = (array) $message;
                }
                if (\is_array($message) && ($message['type'] ?? null) === 'job') {
                    $this->take($message);
                } else {
                    $this->handle($line);
                }
            }
            $last = $this->drain; // Looked at before the read: what came before the signal is answered.
            $more = $this->fill($last ? 0 : self::BLINK);
            if (!$this->lines && ($this->eof || ($last && !$more))) {
                break;
            }
        }
        $this->state = self::LEAVING;
        $this->fire('onExit', null);
        exit(0);
    }
}
