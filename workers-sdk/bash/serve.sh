# shellcheck shell=bash
# The loop of a worker and its outcomes; worker.sh loads this.

# workman_serve [--cancel] [FILE…] never returns. The files, relative to the program's folder, are loaded
# here: a restart takes their new code. --cancel: the daemon says early that a job is cancelled.
workman_serve() {
  __wm_locale=${LC_ALL-}
  local LC_ALL=C cancel='' file here=.
  [[ $0 != */* ]] || here=${0%/*}
  __wm_watch
  if [[ ${1-} == --cancel ]]; then cancel=,\"cancel\"; shift; fi
  for file in "$@"; do
    [[ $file == /* ]] || file=$here/$file
    __wm_apart . "$file" || { __wm_note "cannot load $file"; exit 1; }
  done
  mapfile -t __wm_names < <(compgen -A function task_)
  __wm_names=("${__wm_names[@]#task_}")
  __wm_folder=$(mktemp -d "${TMPDIR:-/tmp}/workman.XXXXXXXX") || exit 75
  trap 'rm -rf "$__wm_folder"' EXIT
  [[ -n $__wm_in ]] || __wm_by_hand "${__wm_argv[@]}"
  ((${#__wm_names[@]})) || { __wm_note 'there is no task: no function is called task_NAME'; exit 78; }
  __wm_hook on_boot
  __wm_ready
  __wm_state=idle
  while __wm_next; do
    # Patterns that do not match take bash very long where a line is long.
    [[ ${REPLY:0:3} != $'\xef\xbb\xbf' ]] || REPLY=${REPLY:3}
    [[ ${REPLY: -1} != $'\r' ]] || REPLY=${REPLY:0:-1}
    __wm_handle "$REPLY"
  done
  __wm_state=leaving
  __wm_hook on_exit
  exit 0
}

# ---- signals ----

# Traps, and not '', which children would inherit.
__wm_watch() {
  [[ -n $__wm_in ]] || return 0
  trap '__wm_drain=1' TERM HUP
  trap : INT
  trap 'exit 1' PIPE
  trap __wm_abort_rung ABRT
}

__wm_abort_rung() {
  __wm_drain=1
  case $__wm_state in
    booting | leaving) exit 0 ;;
    running) __wm_state=aborting; __wm_stop TERM ;;
  esac
}

# Signals a job with all its descendants.
__wm_stop() {
  [[ -n $__wm_pid ]] || return 0
  local -a tree=()
  __wm_tree "$__wm_pid"
  kill -s "$1" "${tree[@]}" 2>/dev/null
}

__wm_tree() {
  local child children=''
  tree+=("$1")
  read -r children 2>/dev/null <"/proc/$1/task/$1/children"
  for child in $children; do __wm_tree "$child"; done
}

# A job that was told to end has a second for it.
__wm_insist() {
  local try
  for ((try = 0; try < 20; try++)); do
    kill -0 "$__wm_pid" 2>/dev/null || return 0
    sleep 0.05
  done
  __wm_stop KILL
}

# ---- lines ----

__wm_ready() {
  local name tasks=''
  for name in "${__wm_names[@]}"; do
    __wm_announced "$name"
    tasks+=,$REPLY
  done
  printf '{"type":"ready","proto":1,"pid":%d,"signals":["TERM","ABRT"],"sdk":{"name":"workman-bash","version":"0.1.0","lang":"bash %s"},"features":["enqueue","extend"%s],"tasks":[%s]}\n' \
    $$ "${BASH_VERSION%%(*}" "$cancel" "${tasks#,}" >&"$__wm_out"
}

# The next line in REPLY; false when it is time to leave. A trap does not end a read, so the wait for the
# first byte has pauses; the rest of a line is on its way.
__wm_next() {
  local first rest status
  if ((${#__wm_lines[@]})); then
    REPLY=${__wm_lines[0]} __wm_lines=("${__wm_lines[@]:1}")
    return
  fi
  while :; do
    [[ -z $__wm_drain ]] || read -r -t 0 -u "$__wm_in" || return 1
    IFS= read -r -N 1 -t 1 -u "$__wm_in" first
    status=$?
    # A read whose time is over keeps what it has got: the byte may have come in that very moment.
    [[ -z $first ]] && ((status)) || break
    ((status > 128)) || return 1
  done
  REPLY=
  [[ $first != $'\n' ]] || return 0
  IFS= read -r -u "$__wm_in" rest || return 1
  REPLY=$first$rest
}

__wm_handle() {
  local kind version
  [[ $1 == *[![:space:]]* ]] || return 0
  if __wm_quick "$1" || __wm_slow "$1"; then __wm_take; return; fi
  kind=${__wm_told[0]-} version=${__wm_told[1]-1}
  case $kind in
    shutdown) __wm_refuse=1 ;;
    hello)
      __wm_hello=$1 __wm_limit=${__wm_told[2]-0}
      ((version <= 1)) || { __wm_note 'the daemon speaks no version 1 of the protocol'; exit 78; } ;;
    '') __wm_unreadable "$1" ;;
  esac
}

# The line of a job as the daemon writes it. What stands between "args" and "queue" is the arguments if it
# is one JSON value.
__wm_quick() {
  local rest tail
  [[ ${1:0:900} =~ ^\{\"type\":\"job\",\"id\":\"([0-9A-Za-z]+)\",\"task\":\"([][A-Za-z0-9_.:/@-]+)\",\"attempt\":([0-9]+),(\"max_attempts\":([0-9]+),)?\"timeout_ms\":([0-9]+),(\"deadline_at\":([0-9]+),)?\"args(_b64)?\": ]] || return 1
  JOB_ID=${BASH_REMATCH[1]} JOB_TASK=${BASH_REMATCH[2]} JOB_ATTEMPT=${BASH_REMATCH[3]} JOB_MAX_ATTEMPTS=${BASH_REMATCH[5]}
  __wm_limits "${BASH_REMATCH[6]}" "${BASH_REMATCH[8]}"
  __wm_bytes=${BASH_REMATCH[9]} rest=${1:${#BASH_REMATCH[0]}}
  tail=${rest: -2000} tail=${tail:-$rest}
  __wm_args=${rest:0:${#rest} - ${#tail}}${tail%,\"queue\":\{*}
  [[ ${rest:${#__wm_args}} =~ ^,\"queue\":\{[^{}]*\}\}$ ]] && __wm_check "?$__wm_args"
}

# Any other line. In __wm_told its type and, for hello, proto_min and max_line.
__wm_slow() {
  mapfile -t __wm_told < <(jq -r 'select(type == "object") |
    if .type == "job" then (.id, .task | strings), .attempt // 1, .max_attempts // "", .timeout_ms // 0, .deadline_at // "",
      if has("args_b64") then "_b64", (.args_b64 | tojson) else "", (.args | tojson) end
    else .type // "", .proto_min // 1, .max_line // 0 end' <<<"$1" 2>/dev/null)
  ((${#__wm_told[@]} == 8)) || return 1
  JOB_ID=${__wm_told[0]} JOB_TASK=${__wm_told[1]} JOB_ATTEMPT=${__wm_told[2]} JOB_MAX_ATTEMPTS=${__wm_told[3]}
  __wm_limits "${__wm_told[4]}" "${__wm_told[5]}"
  __wm_bytes=${__wm_told[6]} __wm_args=${__wm_told[7]}
}

__wm_limits() {
  JOB_DEADLINE=$2 JOB_ENDS=
  (($1 == 0)) || JOB_ENDS=$((${EPOCHREALTIME/./} / 1000 + $1))
}

__wm_unreadable() {
  __wm_note "a line that cannot be read: ${1:0:100}"
  [[ ${1:0:80} =~ ^\{\"type\":\"job\",\"id\":\"([0-9A-Za-z]+)\" && $1 == *\} ]] || return 0
  JOB_ID=${BASH_REMATCH[1]}
  __wm_write fail ',"error":{"message":"jq cannot read these arguments","code":"unreadable_args"}'
}

# The outcome, to the daemon.
__wm_write() {
  if [[ -n $__wm_out ]]; then printf '{"type":"%s","id":"%s"%s}\n' "$1" "$JOB_ID" "$2" >&"$__wm_out"; fi
  __wm_outcome="{\"type\":\"$1\"$2}" __wm_state=idle
}

# ---- one job ----

__wm_take() {
  if [[ -n $__wm_drain$__wm_refuse ]]; then
    __wm_write abort ',"reason":"stopping","requeue":true'
  elif ! declare -F "task_$JOB_TASK" >/dev/null; then
    __wm_write fail ",\"error\":{\"message\":$(__wm_string "no task $JOB_TASK here"),\"code\":\"task_not_found\"}"
  else
    __wm_work
  fi
}

__wm_work() {
  local file status
  for file in out result status end enqueue parked saying leave; do : >"$__wm_folder/$file"; done
  __wm_pid='' __wm_state=running
  __wm_job </dev/null &
  __wm_pid=$!
  [[ $__wm_state != aborting ]] || __wm_stop TERM
  until wait "$__wm_pid"; (($? <= 128)) || ! kill -0 "$__wm_pid" 2>/dev/null; do
    [[ $__wm_state != aborting ]] || __wm_insist
  done
  [[ $__wm_state == aborting ]] || __wm_state=finishing
  [[ ! -s $__wm_folder/leave ]] || exit "$(<"$__wm_folder/leave")"
  [[ -z $__wm_in ]] || while read -r -t 0 -u "$__wm_in" && IFS= read -r -u "$__wm_in" file; do printf '%s\n' "$file"; done >>"$__wm_folder/parked"
  mapfile -t -O "${#__wm_lines[@]}" __wm_lines <"$__wm_folder/parked"
  status=$(<"$__wm_folder/status")
  if [[ $__wm_state == aborting ]]; then __wm_aborted
  elif [[ -s $__wm_folder/end ]]; then __wm_ended
  elif ((${status:-255})); then
    __wm_failed "$(<"$__wm_folder/where")" "$status"
  else __wm_done
  fi
}

# The subshell of a job: its arguments are on its stdin and in $1.
__wm_job() {
  __wm_close
  [[ -z ${__WM_JQ_PID-} ]] || eval "exec ${__WM_JQ[0]}<&- ${__WM_JQ[1]}>&-"
  if [[ -n $__wm_locale ]]; then LC_ALL=$__wm_locale; else unset -v LC_ALL; fi
  local status __wm_where=''
  trap 'status=$?; printf %s "$__wm_where" >"$__wm_folder/where"; printf %d "$status" >"$__wm_folder/status"' EXIT
  __wm_hook after_fork
  __wm_hooks on_start "$__wm_args"
  set -E
  trap '__wm_failing $?' ERR
  case $__wm_bytes,${__wm_options[$JOB_TASK:payload]-} in
    _b64,*) "task_$JOB_TASK" '' < <(base64 -d <<<"${__wm_args//\"/}") ;;
    ,text) "task_$JOB_TASK" "$(jq -r . <<<"$__wm_args")" < <(jq -j . <<<"$__wm_args") ;;
    *) "task_$JOB_TASK" "$__wm_args" <<<"$__wm_args" ;;
  esac >"$__wm_folder/out"
  status=$?
  trap - ERR
  ((status)) || __wm_hooks on_done "$__wm_args" "$__wm_folder/out" || exit
  exit "$status"
}

# A hook of the process; then those of a job: that of all tasks, then the task's own.
__wm_hook() { ! declare -F "$1" >/dev/null || __wm_apart "$@"; }
__wm_hooks() { __wm_hook "$1" "${@:2}" && { ! declare -F "$1_$JOB_TASK" >/dev/null || "$1_$JOB_TASK" "${@:2}"; }; }

# Hooks behind a job, in a subshell: they may call job_enqueue and, on_abort, job_abort.
__wm_after() {
  : >"$__wm_folder/enqueue"
  : >"$__wm_folder/end"
  (__wm_close; __wm_in='' __wm_hooks "$@") </dev/null || __wm_note "$1 of $JOB_TASK returned $?"
}

__wm_follow_ups() {
  local -a all
  mapfile -t all <"$__wm_folder/enqueue"
  REPLY=''
  ((${#all[@]} == 0)) || { printf -v REPLY ',%s' "${all[@]}"; REPLY=",\"enqueue\":[${REPLY:1}]"; }
}

__wm_done() {
  local body='' follow
  if ! __wm_result; then
    __wm_after on_fail "$__wm_args" 'the result is not JSON'
    __wm_write fail ',"error":{"message":"what the task printed is not one JSON value","code":"unserialisable_result"}'
    return
  fi
  body=$REPLY
  __wm_follow_ups
  follow=$REPLY
  if ((__wm_limit > 0 && ${#body} + ${#follow} + 256 > __wm_limit)); then
    __wm_after on_fail "$__wm_args" 'the result is too large'
    __wm_write fail ",\"error\":{\"message\":\"the result has ${#body} bytes, a line $__wm_limit\",\"code\":\"result_too_large\"},\"retry\":false"
  else
    __wm_write 'done' "$body$follow"
  fi
}

# The member of the result in REPLY: what job_result said, or else what the task printed.
__wm_result() {
  local file=$__wm_folder/out
  local -a text
  if [[ -s $__wm_folder/result ]]; then
    cat "$file" >&2
    file=$__wm_folder/result
  elif [[ $__wm_bytes,${__wm_options[$JOB_TASK:payload]-} == *_b64,* || ${__wm_options[$JOB_TASK:payload]-} == base64 ]]; then
    REPLY=",\"result_b64\":\"$(base64 -w0 <"$file")\""
    return
  elif [[ ${__wm_options[$JOB_TASK:payload]-} == text ]]; then
    REPLY=",\"result\":$(jq -Rs . <"$file")"
    return
  fi
  mapfile -d '' -t text <"$file"
  ((${#text[@]} < 2)) || return 1
  if [[ ${text[0]-} != *[![:space:]]* ]]; then REPLY=''; return; fi
  if ((${#text[0]} < 16384)); then
    __wm_check "=${text[0]//[$'\n\r']/ }" || return 1
  else
    jq -cs "$__wm_sound if length == 1 then .[0] | sound else error end" <"$file" >"$__wm_folder/large" 2>/dev/null || return 1
    IFS= read -r REPLY <"$__wm_folder/large"
  fi
  REPLY=",\"result\":$REPLY"
}

# job_fail or job_abort has said it all.
__wm_ended() {
  local said
  said=$(<"$__wm_folder/end")
  cat "$__wm_folder/out" >&2
  : >"$__wm_folder/enqueue"
  if [[ $said == fail* ]]; then __wm_after on_fail "$__wm_args" "$(jq -r .error.message <<<"{${said#fail,}}")"; fi
  __wm_follow_ups
  __wm_write "${said%%,*}" ",${said#*,}$REPLY"
}

# The status of a task means what an exit status means in `mode: exec`.
__wm_failed() {
  local message="${1:-exit ${2:-by a signal}}" retry=''
  cat "$__wm_folder/out" >&2
  case $2 in
    75) retry=,\"retry\":true ;;
    64 | 65 | 66 | 76 | 77) retry=,\"retry\":false ;;
  esac
  __wm_after on_fail "$__wm_args" "$message"
  __wm_follow_ups
  __wm_write fail ",\"error\":{\"message\":$(__wm_string "$message"),\"class\":\"exit\"}$retry$REPLY"
}

# The hook first, then the line: the hook may enqueue the job itself.
__wm_aborted() {
  local line reason=shutdown requeue=''
  [[ -z $JOB_ENDS ]] || ((${EPOCHREALTIME/./} / 1000 < JOB_ENDS)) || reason=timeout
  for line in "${__wm_lines[@]}"; do
    [[ $line =~ ^\{\"type\":\"cancel\",\"id\":\"$JOB_ID\",\"reason\":\"([a-z]+)\" ]] && reason=${BASH_REMATCH[1]}
  done
  __wm_after on_abort "$__wm_args" "$reason"
  [[ ! -s $__wm_folder/end ]] || requeue=$(grep -o ',"requeue":[a-z]*' "$__wm_folder/end")
  __wm_follow_ups
  __wm_note "$JOB_TASK $JOB_ID force killed ($reason)"
  [[ ! -s $__wm_folder/saying ]] || printf '\n' >&"$__wm_out"
  __wm_write abort ",\"reason\":\"force killed ($reason)\"$requeue$REPLY"
}
