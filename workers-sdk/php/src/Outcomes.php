<?php

declare(strict_types=1);

namespace Workman;

/** The part of a worker that runs a job and makes the one line that says what became of it. */
trait Outcomes
{
    /** Runs the hooks of this name, the task's own last, and returns what that one says. */
    public function fire(string $name, ?Task $task, mixed ...$arguments): mixed
    {
        if (isset($this->hooks[$name])) {
            foreach ($this->hooks[$name] as $hook) {
                $hook(...$arguments);
            }
        }
        return isset($task->hooks[$name]) ? $task->hooks[$name](...$arguments) : null;
    }

    private function fireSafely(string $name, Task $task, Job $job, \Throwable $error): mixed
    {
        $before = $this->state;
        try {
            return $this->fire($name, $task, $job, $error);
        } catch (\Throwable $wrong) { // The outcome must go out, whatever a hook does,
            if ($this->state !== $before) { // unless it was interrupted.
                throw $wrong;
            }
            Text::note($name . ' of ' . $job->task . ': ' . $wrong::class . ': ' . $wrong->getMessage());
            return null;
        }
    }

    /** Runs the job and returns its outcome. The state decides what SIGABRT does meanwhile. */
    public function work(Task $task, Job $job): string
    {
        try {
            try {
                $this->state = self::RUNNING;
                $outcome = $this->attempt($task, $job);
            } finally {
                if ($this->state === self::RUNNING) {
                    $this->state = self::FINISHING;
                }
            }
        } catch (\Throwable $error) {
            if ($this->state !== self::ABORTING) {
                throw $error;
            }
        }
        // Also behind a task that has caught the exception.
        return $this->state === self::ABORTING ? $this->aborted($task, $job) : $outcome;
    }

    private function attempt(Task $task, Job $job): string
    {
        try {
            if (isset($this->hooks['onStart']) || isset($task->hooks['onStart'])) {
                $this->fire('onStart', $task, $job);
            }
            $result = ($task->run)($job->args, $job);
            if ($this->forked()) { // A fork that came back from the task.
                exit(0);
            }
            if (isset($this->hooks['onDone']) || isset($task->hooks['onDone'])) {
                $this->fire('onDone', $task, $job, $result);
            }
        } catch (Abort $error) {
            $job->followUps = [];
            return $this->outcome('abort', $job, Text::members(reason: Text::utf8($error->getMessage()),
                requeue: $error->requeue, delay_ms: Text::ms($error->after)));
        } catch (\Throwable $error) {
            if ($this->state === self::ABORTING || $this->forked()) {
                throw $error;
            }
            return $this->failed($task, $job, $error);
        }
        try {
            $body = $result === null ? '' : ',' . Text::payload('result', $result);
        } catch (\JsonException $error) {
            return $this->failed($task, $job, $error, 'unserialisable_result');
        }
        $size = \strlen($body) + 256 + ($job->followUps ? \strlen(implode(',', $job->followUps)) : 0);
        if (isset($this->hello['max_line']) && $size > $this->hello['max_line']) {
            return $this->failed($task, $job, new Permanent('the result needs ' . $size . ' bytes, a line has '
                . $this->hello['max_line'], 'result_too_large'));
        }
        return $job->followUps ? $this->outcome('done', $job, $body) : '{"type":"done","id":"' . $job->id . '"' . $body . '}';
    }

    private function outcome(string $kind, Job $job, string $rest): string
    {
        return '{"type":"' . $kind . '","id":"' . $job->id . '"' . $rest
            . ($job->followUps ? ',"enqueue":[' . implode(',', $job->followUps) . ']' : '') . '}';
    }

    private function failed(Task $task, Job $job, \Throwable $error, ?string $code = null): string
    {
        $job->followUps = [];
        $this->fireSafely('onFail', $task, $job, $error);
        $text = Text::utf8(\substr($error->getMessage(), 0, 65536)) ?: $error::class;
        $ours = $error instanceof Failure;
        $what = ['message' => $text, 'class' => $error::class, 'code' => $code ?? ($ours ? $error->word : null),
            'data' => $ours ? $error->data : null, 'trace' => $ours ? null : Text::stack($error)];
        $rest = $ours ? Text::members(retry: $error::RETRY, delay_ms: Text::ms($error->after)) : '';
        try {
            $said = Text::members(error: array_filter($what, fn ($value) => $value !== null && $value !== ''));
        } catch (\JsonException) { // The data.
            $said = Text::members(error: ['message' => $text, 'class' => $error::class]);
        }
        return $this->outcome('fail', $job, $said . $rest);
    }

    /** The hook first, then the line: the hook may enqueue the job itself. */
    private function aborted(Task $task, Job $job): string
    {
        $job->followUps = [];
        $late = ($job->remaining() ?? 1) <= 0;
        $this->killed->reason = $this->cancelReason($job) ?? ($late ? 'timeout' : 'shutdown');
        $requeue = $this->fireSafely('onAbort', $task, $job, $this->killed);
        $reason = 'force killed (' . $this->killed->reason . ")\n" . Text::stack($this->killed);
        Text::note($job->task . ' ' . $job->id . ' ' . $reason);
        return $this->outcome('abort', $job, Text::members(reason: $reason, requeue: is_bool($requeue) ? $requeue : null));
    }
}
