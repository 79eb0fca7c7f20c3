<?php

// For the tests of the client: makes one call, which is told as JSON, and prints what came of it.

declare(strict_types=1);

require __DIR__ . '/src/workman.php';

use Workman\{Bytes, Client, ClientError, JobFailed};

$call = json_decode($argv[1]);
$options = (array) ($call->options ?? []);
if (isset($options['max_attempts'])) {
    $options['maxAttempts'] = $options['max_attempts'];
    unset($options['max_attempts']);
}
$args = isset($call->bytes) ? new Bytes(base64_decode($call->bytes)) : $call->args;
$method = ['enqueue_with_wait' => 'enqueueWithWait', 'enqueue_background' => 'enqueueBackground'][$call->call] ?? $call->call;
try {
    $client = new Client($call->profile ?? null, $call->socket ?? null);
    $value = $method === 'status' ? $client->status() : $client->$method($call->task, $args, ...$options);
    $said = $value instanceof Bytes ? ['bytes' => base64_encode($value->data)] : ['value' => $value];
} catch (ClientError | InvalidArgumentException $error) {
    $said = ['error' => (new ReflectionClass($error))->getShortName(), 'message' => $error->getMessage()]
        + ($error instanceof JobFailed ? ['failure' => $error->failure] : []);
}
echo json_encode($said), "\n";
