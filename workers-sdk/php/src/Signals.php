<?php

declare(strict_types=1);

namespace Workman;

/** The part of a worker that signals run: who may be interrupted, and when. */
trait Signals
{
    /** Handlers, and not SIG_IGN, which children would inherit. */
    private function watchSignals(): void
    {
        if (!extension_loaded('pcntl')) {
            return;
        }
        pcntl_async_signals(true);
        pcntl_signal(SIGINT, fn () => $this->mine(SIGINT));
        foreach ([SIGTERM, SIGHUP] as $signal) {
            pcntl_signal($signal, function () use ($signal): void {
                $this->drain = $this->mine($signal);
            });
        }
        // A blocked call must end, so that the exception gets out of it.
        pcntl_signal(SIGABRT, fn () => $this->mine(SIGABRT) && $this->abortRung(), false);
    }

    /** A child that a job forked must be as mortal as any process. */
    private function mine(int $signal): bool
    {
        if (\getmypid() === $this->pid) {
            return true;
        }
        pcntl_signal($signal, SIG_DFL);
        posix_kill(\getmypid(), $signal);
        return false;
    }

    private function abortRung(): void
    {
        $this->drain = true;
        if ($this->state === self::BOOTING || $this->state === self::LEAVING) {
            exit(0);
        }
        if ($this->state === self::RUNNING) {
            if ($this->guard > 0) {
                $this->pending = true;
            } else {
                $this->interrupt();
            }
        }
    }

    private function interrupt(): never
    {
        $this->state = self::ABORTING;
        throw $this->killed = new ForceKilled('force killed');
    }

    protected function release(): void
    {
        if ($this->state === self::RUNNING) {
            $this->interrupt();
        }
    }

    /**
     * As pcntl_fork(): the child is no worker any more, and its afterFork hooks run. A child of
     * pcntl_fork() itself never answers either, but keeps the protocol's descriptors until it ends.
     */
    public function fork(): int
    {
        $pid = pcntl_fork();
        if ($pid === 0) {
            foreach ([SIGINT, SIGTERM, SIGHUP, SIGABRT] as $signal) {
                pcntl_signal($signal, SIG_DFL);
            }
            $this->state = self::LEAVING;
            $this->drop();
            $this->fire('afterFork', null);
        }
        return $pid;
    }
}
