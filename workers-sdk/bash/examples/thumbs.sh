#!/usr/bin/env bash
# Two tasks. Try it: bash thumbs.sh --run resize '{"file": "a.png"}'
# shellcheck disable=SC2317,SC2329 # The functions are called by their names.

. "$(dirname "${BASH_SOURCE[0]}")/../worker.sh"

workman_task resize timeout=30 max_attempts=4 backoff=1,60
task_resize() { # Its arguments are on stdin and in $1; what it prints is its result.
  local file
  file=$(jq -re '.file // empty') || job_fail 'no file is named' code=bad_args retry=false
  job_progress 1 2
  job_enqueue Report "$(jq -nc --arg file "$file" '{$file}')" delay=60
  jq -nc --arg file "$file" --argjson width "$(jq '.width // 200' <<<"$1")" '{$file, $width}'
}
on_abort_resize() { # The worker must stop before the job could end: put it back with a mark, once.
  job_enqueue resize "$(jq -c --arg reason "$2" '.interrupted = $reason' <<<"$1")"
  job_abort 'it is back already' requeue=false
}

workman_task Report timeout=600
task_Report() { job_log 'a report' info "$1"; }
on_fail_Report() { echo "attempt $JOB_ATTEMPT failed: $2" >&2; }

workman_serve
