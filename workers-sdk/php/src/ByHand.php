<?php

declare(strict_types=1);

namespace Workman;

/** What a worker does that no daemon started: it says what it is, lists its tasks, or runs one. */
final class ByHand
{
    private const USAGE = <<<'TEXT'
        %1$s is a worker: workmand starts it and hands it jobs. In a profile:

          command: [php, %1$s]

        By hand:

          %1$s --list             prints the names of its tasks
          %1$s --run TASK [JSON]  runs one, prints its result; exit status 1 if it fails

        TEXT;

    /** Returns the exit status. */
    public static function main(Worker $worker): int
    {
        $arguments = array_slice($_SERVER['argv'], 1);
        if ($arguments === ['--list']) {
            echo implode("\n", $worker->names()), "\n";
            return 0;
        }
        if (($arguments[0] ?? '') === '--run' && in_array(count($arguments), [2, 3], true)) {
            return self::run($worker, $arguments[1], $arguments[2] ?? 'null');
        }
        $wrong = $arguments !== [] && $arguments !== ['--help'];
        fwrite($wrong ? \STDERR : \STDOUT, sprintf(self::USAGE, $_SERVER['argv'][0]));
        return $wrong ? 64 : 0;
    }

    private static function run(Worker $worker, string $name, string $json): int
    {
        $outcome = $worker->byHand($name, $json);
        if (is_string($outcome)) {
            fwrite(\STDERR, $outcome . "\n");
            return 1;
        }
        if ($outcome->type !== 'done') {
            fwrite(\STDERR, (isset($outcome->error->trace) ? $outcome->error->trace . "\n" : '') . $outcome->type
                . ': ' . ($outcome->error->message ?? $outcome->reason ?? '') . "\n");
            return 1;
        }
        foreach ($outcome->enqueue ?? [] as $job) {
            fwrite(\STDERR, 'would enqueue ' . Text::json($job) . "\n");
        }
        echo Text::json($outcome->result ?? $outcome->result_b64 ?? null), "\n";
        return 0;
    }
}
