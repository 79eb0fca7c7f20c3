<?php

// Two tasks: a closure and a class. Try it: php thumbs.php --run resize '{"file": "a.png"}'

declare(strict_types=1);

require __DIR__ . '/../src/workman.php';

use Workman\{ForceKilled, Job, Permanent, Task, Worker};

$worker = new Worker();

$worker->task('resize', function ($args, Job $job) {
    $file = $args->file ?? throw new Permanent('no file is named', 'bad_args');
    $job->progress(1, 2);
    $job->enqueue('Report', ['file' => $file], delay: 60);
    return ['file' => $file, 'width' => $args->width ?? 200];
}, timeout: 30, maxAttempts: 4, backoff: [1, 60])->onAbort(function (Job $job, ForceKilled $error) {
    // The worker must stop before the job could end: put it back with a mark, once.
    $job->enqueue('resize', ['interrupted' => $error->reason] + (array) $job->args);
    return false; // It went back by itself; the daemon need not do it.
});

#[Task(timeout: 600)]
class Report
{
    public function run($args, Job $job): void
    {
        $job->log('a report', file: $args->file);
    }

    public function onFail(Job $job, Throwable $error): void
    {
        $job->log('attempt ' . $job->attempt . ' failed', 'warn');
    }
}

$worker->run();
