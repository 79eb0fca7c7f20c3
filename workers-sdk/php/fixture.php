<?php

// The worker of the conformance tests: one task for each thing that a worker can do wrong.

declare(strict_types=1);

require __DIR__ . '/src/workman.php';

use Workman\{Abort, Bytes, ForceKilled, Job, Permanent, Retry, Task, Worker};
use function Workman\sleep;

$worker = new Worker();

function marker(Job $job, ForceKilled $error): void
{
    fwrite(STDERR, 'on_abort ' . $job->id . ' ' . $error->reason . "\n");
}

$worker->task('kit.echo', fn ($args) => $args);

$worker->task('kit.fail', function ($args) {
    throw match (is_object($args) ? $args->kind : '') {
        'retry' => new Retry('later', after: 5),
        'permanent' => new Permanent('never', 'not_found', ['n' => 1]),
        'abort' => new Abort(requeue: true, after: 2),
        default => new RuntimeException('boom'),
    };
}, maxAttempts: 2, backoff: [1, 60]);

$worker->task('kit.sleep', function ($args, Job $job) {
    while (isset($args->late) && $job->remaining() > 0) {
    }
    $job->progress(0);
    sleep($args->s);
    return $args;
})->onAbort(marker(...))->onDone(function (Job $job) {
    if (isset($job->args->hook_fails)) {
        throw new RuntimeException('in a hook');
    }
});

$worker->task('kit.spin', function ($args, Job $job) {
    $job->progress(0);
    for ($end = hrtime(true) + $args->s * 1e9; hrtime(true) < $end;) {
    }
    return $args;
}, timeout: 60)->onAbort(marker(...));

#[Task('kit.requeue')]
class Requeue
{
    public function run($args, Job $job): void
    {
        $job->enqueue('kit.never', 1);
        fwrite(STDERR, "requeue runs\n");
        $job->progress(0);
        sleep($args->s);
    }

    public function onAbort(Job $job, ForceKilled $error): bool
    {
        marker($job, $error);
        $job->enqueue('kit.echo', ['again' => true]);
        return false;
    }
}

$worker->task('kit.print', function ($args) {
    $text = $args->text ?? 'noise';
    if ($args->child ?? false) {
        passthru_child($text);
    } else {
        echo $text, $args->newline ?? true ? "\n" : '';
    }
    return $args;
});

/** A child that prints on the stdout it inherits, which exec() and its like would capture. */
function passthru_child(string $text): void
{
    proc_close(proc_open(['echo', $text], [], $pipes));
}

$worker->task('kit.exit', fn ($args) => exit($args->code));

$worker->task('kit.progress', function ($args, Job $job) {
    for ($step = 1; $step <= 3; $step++) {
        $job->progress($step, 3, 'step');
    }
    $job->data(['row' => 1]);
    $job->data(new Bytes("\xff"), warn: true);
    $job->log('hello', 'warn', n: 1);
    $job->heartbeat(2.5);
});

$worker->task('kit.enqueue', function ($args, Job $job) {
    if (isset($args->now)) {
        return $job->enqueue('kit.echo', 1, unique: 'u', now: true);
    }
    $job->enqueue('kit.echo', ['n' => 1], delay: 1.5, priority: 'low', unique: 'u', maxAttempts: 2);
    $job->enqueue('kit.echo', new Bytes("\xff"));
});

$worker->task('kit.chain', function ($args, Job $job) {
    $job->enqueue('kit.echo', 'with the outcome');
    $job->enqueue('kit.echo', 'at once', now: true);
});

$worker->task('kit.bytes', fn ($args) => $args instanceof Bytes ? $args
    : new Bytes(substr(str_repeat(implode('', array_map(chr(...), range(0, 255))), 1 + intdiv($args->n, 256)), 0, $args->n)),
    payload: 'base64');

$worker->task('kit.nan', fn ($args) => ['n' => $args === 'object' ? "\xff" : NAN]);

$worker->task('kit.orphan', function ($args) {
    $sleeper = proc_open(['sleep', (string) $args->s], [], $pipes);
    $GLOBALS['orphans'][] = $sleeper; // To free it would be to wait for it.
    return proc_get_status($sleeper)['pid'];
});

$worker->task('kit.fork', function () use ($worker) {
    $pid = $worker->fork();
    if ($pid > 0) {
        pcntl_waitpid($pid, $status);
    }
    return ['parent' => $pid > 0];
});

$worker->task('kit.cancelled', function ($args, Job $job) {
    $job->progress(0);
    while (!$job->cancelled()) {
        usleep(5000);
    }
    throw new Abort('cancelled', requeue: true);
});

// Turns the interruption into an error of its own, or into nothing.
$worker->task('kit.swallow', function ($args, Job $job) {
    $job->progress(0);
    try {
        sleep($args->s);
    } catch (Throwable $error) {
        if (!isset($args->quiet)) {
            throw new RuntimeException('wrapped', 0, $error);
        }
    }
})->onAbort(marker(...));

// Its hook throws.
$worker->task('kit.rude', function ($args, Job $job) {
    $job->progress(0);
    sleep($args->s);
})->onAbort(fn (Job $job, ForceKilled $error) => $error->nothing());

$worker->task('kit.context', fn ($args, Job $job) => ['attempt' => $job->attempt, 'max_attempts' => $job->maxAttempts,
    'deadline' => $job->deadline, 'left' => $job->remaining(), 'config' => $job->config(),
    'stdin' => $args ? stream_get_contents(fopen('php://stdin', 'r')) : '', 'environment' => getenv('WORKMAN') !== false]);

$worker->afterFork(fn () => fwrite(STDERR, "after_fork\n"));

$worker->run(load: [...preg_split('/ /', (string) getenv('KIT_LOAD'), -1, PREG_SPLIT_NO_EMPTY),
    function (Worker $worker) {
        foreach (file(getenv('WORKMAN_KIT_TASKS') ?: '/dev/null', FILE_IGNORE_NEW_LINES) as $name) {
            $worker->task($name, fn ($args) => $args);
        }
    }], cancel: true);
