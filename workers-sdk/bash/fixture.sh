#!/usr/bin/env bash
# The worker of the conformance tests: one task for each thing that a worker can do wrong.
# shellcheck disable=SC2317,SC2329 # The functions are called by their names.

. "$(dirname "$0")/worker.sh"

marker() { echo "on_abort $JOB_ID $2" >&2; }

task_kit.echo() { cat; }

workman_task kit.fail max_attempts=2 backoff=1,60
task_kit.fail() {
  case $(jq -r '.kind? // ""') in
    retry) job_fail later retry=true delay=5 ;;
    permanent) job_fail never retry=false code=not_found data='{"n":1}' ;;
    abort) job_abort 'given back' requeue=true delay=2 ;;
    status) (exit 75) || return ;;
  esac
  job_fail boom
}

busy_until_late() { while [[ $(jq -r '.late // false' <<<"$1") == true && $(job_remaining) != -* ]]; do :; done; }

task_kit.sleep() {
  busy_until_late "$1"
  job_progress 0
  sleep "$(jq -r .s)"
  printf %s "$1"
}
on_abort_kit.sleep() { marker "$@"; }

workman_task kit.spin timeout=60
task_kit.spin() {
  local end
  job_progress 0
  end=$(jq -r "(now + .s) * 1000000 | floor")
  while ((${EPOCHREALTIME/./} < end)); do :; done
  printf %s "$1"
}
on_abort_kit.spin() { marker "$@"; }

task_kit.requeue() {
  job_enqueue kit.never 1
  echo 'requeue runs' >&2
  job_progress 0
  sleep "$(jq -r .s)"
}
on_abort_kit.requeue() {
  marker "$@"
  job_enqueue kit.echo '{"again":true}'
  job_abort 'it is back already' requeue=false
}

# What a task prints is its result, unless it gives that by job_result.
task_kit.print() {
  local text
  job_result "$1"
  text=$(jq -r '.text // "noise"' <<<"$1")
  if [[ $(jq -r '.child // false' <<<"$1") == true ]]; then /bin/echo "$text"
  elif [[ $(jq -r 'if .newline == false then "no" else "" end' <<<"$1") == no ]]; then printf %s "$text"
  else echo "$text"
  fi
}

task_kit.exit() { workman_exit "$(jq -r .code)"; }

task_kit.progress() {
  local step
  for step in 1 2 3; do job_progress "$step" 3 step; done
  job_data '{"row":1}'
  printf '\xff' | job_data - warn
  job_log hello warn '{"n":1}'
  job_heartbeat 2.5
}

task_kit.enqueue() {
  if [[ $(jq -r '.now? // false' <<<"$1") == true ]]; then
    job_enqueue kit.echo 1 unique=u now=1
    return
  fi
  job_enqueue kit.echo '{"n":1}' delay=1.5 priority=low unique=u max_attempts=2
  printf '\xff' | job_enqueue kit.echo -
}

task_kit.chain() {
  job_enqueue kit.echo '"with the outcome"'
  job_enqueue kit.echo '"at once"' now=1
}

workman_task kit.bytes payload=base64
task_kit.bytes() {
  local n byte all=''
  if [[ -z $1 ]]; then cat; return; fi
  n=$(jq -r .n)
  for byte in {0..255}; do printf -v all '%s\\x%02x' "$all" "$byte"; done
  for ((byte = 0; byte <= n / 256; byte++)); do printf '%b' "$all"; done | head -c "$n"
}

task_kit.nan() { if [[ $1 == '"object"' ]]; then echo '{"n":nan}'; else echo '{"n": NaN}'; fi; }

task_kit.orphan() {
  sleep "$(jq -r .s)" &
  job_result $!
}

task_kit.cancelled() {
  job_progress 0
  until job_cancelled; do sleep 0.005; done
  job_abort cancelled requeue=true
}

# Its hook fails.
task_kit.rude() {
  job_progress 0
  sleep "$(jq -r .s)"
}
on_abort_kit.rude() { no_such_command; }

task_kit.context() {
  jq -n --argjson attempt "$JOB_ATTEMPT" --argjson max_attempts "$JOB_MAX_ATTEMPTS" --argjson deadline "$JOB_DEADLINE" \
    --argjson left "$(job_remaining)" --argjson config "$(job_config)" --argjson environment "${WORKMAN:+1}${WORKMAN-false}" \
    '{$attempt, $max_attempts, deadline: ($deadline / 1000), $left, $config, stdin: "", $environment}'
}

# shellcheck disable=SC2046,SC2086 # The words of KIT_LOAD are files.
load() {
  local name
  [[ -z ${WORKMAN_KIT_TASKS-} ]] || while IFS= read -r name; do eval "task_$name() { cat; }"; done <"$WORKMAN_KIT_TASKS"
  workman_serve --cancel ${KIT_LOAD-}
}
load
