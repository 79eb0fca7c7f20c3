<?php // The loop without a library that the bench of the SDKs measures against.
function out(array $message): void { fwrite(STDOUT, json_encode($message) . "\n"); }
out(['type' => 'ready', 'tasks' => ['kit.echo']]);
while (($line = fgets(STDIN)) !== false) {
    $job = json_decode($line);
    if ($job->type !== 'job') continue;
    try {
        out(['type' => 'done', 'id' => $job->id, 'result' => $job->args]);
    } catch (Throwable $error) {
        out(['type' => 'fail', 'id' => $job->id, 'error' => ['message' => $error->getMessage()]]);
    }
}
