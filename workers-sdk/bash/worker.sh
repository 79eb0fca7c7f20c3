# shellcheck shell=bash
# Workers for workmand in bash 5 with jq: source this file first, write functions task_NAME, and call
# workman_serve. README.md tells the rest. In a worker, stdin becomes /dev/null and stdout stderr; each
# job runs in a subshell that has the protocol's descriptors closed, and so have its children.
# Names that begin with __wm are private. The states and what SIGABRT does in them: booting, leaving: it
# ends the worker; idle, finishing, aborting: it drains; running: it ends the job, never its outcome.

__wm_state=booting __wm_drain='' __wm_refuse='' __wm_pid='' __wm_in='' __wm_out='' __wm_hello='' __wm_limit=0
declare -A __wm_options=()
declare -a __wm_lines=() __wm_names=() __wm_argv=("$@") # The program's arguments: a source without its own has them.

# workman_task NAME option=value…: timeout stall (seconds) max_attempts limit backoff=SECONDS or =FIRST,MOST
# payload=json|text|base64 on_abort=requeue|fail|drop desc. The profile wins over them.
workman_task() {
  local name=$1 option
  for option in "${@:2}"; do
    case $option in
      timeout=* | stall=* | max_attempts=* | limit=* | backoff=* | payload=* | on_abort=* | desc=*)
        __wm_options[$name:${option%%=*}]=${option#*=} ;;
      *) __wm_note "unknown option of the task $name: $option"; exit 78 ;;
    esac
  done
}

# The task object in REPLY; without forks, of which a start would have many.
__wm_announced() {
  local key value said name
  name=\"$1\"
  [[ $1 =~ ^[A-Za-z0-9_.:/@-]+$ ]] || name=$(__wm_string "$1")
  said=$name
  for key in timeout stall max_attempts limit backoff payload on_abort desc; do
    value=${__wm_options[$1:$key]-}
    [[ -n $value ]] || continue
    case $key in
      timeout | stall) __wm_millis "$value"; said+=,\"${key}_ms\":$REPLY ;;
      max_attempts | limit) said+=,\"$key\":$((value)) ;;
      backoff)
        __wm_millis "${value%,*}"
        if [[ $value == *,* ]]; then said+=,\"backoff\":{\"kind\":\"exp\",\"base_ms\":$REPLY
          __wm_millis "${value#*,}"
          said+=,\"max_ms\":$REPLY}
        else said+=,\"backoff\":{\"kind\":\"const\",\"base_ms\":$REPLY}
        fi ;;
      desc) said+=,\"desc\":$(__wm_string "$value") ;;
      *) said+=,\"$key\":\"$value\" ;;
    esac
  done
  REPLY=$said
  [[ $said == "$name" ]] || REPLY="{\"name\":$said}"
}

# ---- what a job may call; it runs in a subshell of the worker ----

job_progress() { __wm_say progress "$(__wm_members done="$1" total="${2-}" message="${3-}")"; }
job_log() { __wm_say log "$(__wm_members level="${2:-info}" message="$1")${3:+,\"fields\":$3}"; }

# job_data JSON [warn]; job_data - [warn]: the bytes of stdin.
job_data() {
  local data="\"data\":$1"
  [[ $1 == - ]] && data="\"data_b64\":\"$(base64 -w0)\""
  __wm_say data ",$data${2:+,\"warn\":true}"
}

# job_heartbeat [SECONDS more]
job_heartbeat() {
  local more
  more=$(__wm_ms "${1:-0}")
  __wm_say heartbeat "${1:+,\"extend_ms\":$more}"
  [[ -z $JOB_ENDS ]] || ((JOB_ENDS += more))
}

# Seconds to the time limit; nothing without one.
job_remaining() { [[ -z $JOB_ENDS ]] || __wm_seconds $((JOB_ENDS - ${EPOCHREALTIME/./} / 1000)); }
job_config() { jq -c '.config // {}' <<<"${__wm_hello:-null}"; }

# The result, in place of what the task prints: that goes to the log then.
job_result() { printf '%s' "$1" >"$__wm_folder/result"; }

# job_fail MESSAGE [code=WORD] [retry=true|false] [delay=SECONDS] [data=JSON]; ends the job.
job_fail() { __wm_end fail "$@"; }
# job_abort REASON [requeue=true|false] [delay=SECONDS]: not done, give it back; ends the job.
job_abort() { __wm_end abort "$@"; }

# job_enqueue TASK [JSON or -] [delay= priority= unique= max_attempts=] [now=1]: with the outcome `done`, or
# that of a hook; "-" takes the bytes of stdin. With now=1 at once: prints what the queue said, fails if it
# was refused.
job_enqueue() {
  local task=$1 args=${2:-null} option spec now=''
  local -A given=()
  for option in "${@:3}"; do given[${option%%=*}]=${option#*=}; done
  if [[ $args == - ]]; then spec="\"args_b64\":\"$(base64 -w0)\""; else spec="\"args\":$(jq -c . <<<"$args")" || return 65; fi
  spec="\"task\":$(__wm_string "$task"),$spec"
  [[ -z ${given[delay]-} ]] || spec+=",\"delay_ms\":$(__wm_ms "${given[delay]}")"
  spec+=$(__wm_members priority="${given[priority]-}" unique="${given[unique]-}" max_attempts="${given[max_attempts]-}")
  if [[ -z ${given[now]-} ]]; then printf '{%s}\n' "$spec" >>"$__wm_folder/enqueue"; return; fi
  __wm_request "$spec"
}

# Whether the daemon gave the job up (workman_serve --cancel: it says so early).
job_cancelled() {
  local line
  while __wm_read_now; do :; done
  while IFS= read -r line; do
    [[ $line != '{"type":"cancel","id":"'"$JOB_ID"'"'* ]] || return 0
  done <"$__wm_folder/parked"
  return 1
}

# Ends the worker itself, without an outcome.
workman_exit() { printf '%d' "${1:-0}" >"$__wm_folder/leave"; exit 0; }

# ---- inside a job ----

# The job opens the worker's descriptors anew for a moment; its children never have them. A long line takes
# several writes, and a kill may come between: a mark tells the worker then to end that line.
__wm_say() {
  if [[ -z $__wm_out ]]; then printf '{"type":"%s"%s}\n' "$1" "$2" >&2; return; fi
  ((${#2} < 3500)) || printf 1 >"$__wm_folder/saying"
  local id=${JOB_ID:+,\"id\":\"$JOB_ID\"}
  [[ $1 != enqueue ]] || id=''
  printf '{"type":"%s"%s%s}\n' "$1" "$id" "$2" >"/proc/$$/fd/$__wm_out"
  ((${#2} < 3500)) || : >"$__wm_folder/saying"
}

# Reads a line that is there already and keeps it for later.
__wm_read_now() {
  local line
  [[ -n $__wm_in ]] || return 1
  { read -r -t 0 && IFS= read -r line; } <"/proc/$$/fd/$__wm_in" || return 1
  printf '%s\n' "$line" >>"$__wm_folder/parked"
}

__wm_request() {
  local ref=r$BASHPID$RANDOM line
  [[ -n $__wm_out ]] || { echo "a reply comes only to a worker of a daemon" >&2; return 1; }
  __wm_say enqueue ",$1,\"ref\":\"$ref\""
  while IFS= read -r line; do
    case $line in
      '{"type":"reply","id":"'"$ref"'"'*)
        jq -ce 'if .ok then .result else error(.error.message // "no reason given") end' <<<"$line" 2>"$__wm_folder/why" && return
        [[ ! -s $__wm_folder/why ]] && return # It was null.
        job_fail "$(sed -n 's/^jq: error.*): //p' "$__wm_folder/why")" code=refused ;;
      *) printf '%s\n' "$line" >>"$__wm_folder/parked" ;;
    esac
  done <"/proc/$$/fd/$__wm_in"
  job_fail 'the daemon has gone'
}

__wm_end() {
  local kind=$1 text=$2 option i said='' error
  error="\"message\":$(__wm_string "$text"),\"class\":\"exit\""
  for ((i = 2; i < ${#FUNCNAME[@]}; i++)); do
    [[ ${FUNCNAME[i]} != __wm_* && ${BASH_SOURCE[i]} != */serve.sh ]] || break
    said+="${BASH_SOURCE[i]}:${BASH_LINENO[i - 1]} in ${FUNCNAME[i]}"$'\n'
  done
  error+=",\"trace\":$(__wm_string "${said%$'\n'}")" said=''
  for option in "${@:3}"; do
    case $option in
      code=*) error+=",\"code\":$(__wm_string "${option#*=}")" ;;
      data=*) error+=",\"data\":${option#*=}" ;;
      retry=* | requeue=*) said+=",\"${option%%=*}\":${option#*=}" ;;
      delay=*) said+=",\"delay_ms\":$(__wm_ms "${option#*=}")" ;;
    esac
  done
  if [[ $kind == fail ]]; then said=",\"error\":{$error}$said"; else said=",\"reason\":$(__wm_string "$text")$said"; fi
  printf '%s%s' "$kind" "$said" >"$__wm_folder/end"
  exit 0
}

# Where a command failed, for a task that just returns its status.
__wm_failing() { __wm_where="$BASH_COMMAND: exit $1 (${BASH_SOURCE[1]}:${BASH_LINENO[0]})"; }

# ---- text ----

__wm_note() { printf '<4>workman: %s\n' "$1" >&2; }

__wm_string() {
  if [[ $1 =~ ^[\ !#-\[\]-~]*$ ]]; then printf '"%s"' "$1"; else printf %s "$1" | jq -Rs .; fi
}

# name=value…: JSON members with a comma before each; numbers stay numbers, what is empty is left out.
__wm_members() {
  local member value
  for member in "$@"; do
    value=${member#*=}
    if [[ -n $value && ${member%%=*} =~ ^(done|total|limit|max_attempts|.*_ms)$ ]]; then
      [[ $value =~ ^-?[0-9]+(\.[0-9]+)?$ ]] && printf ',"%s":%s' "${member%%=*}" "$value"
    elif [[ -n $value ]]; then
      printf ',"%s":%s' "${member%%=*}" "$(__wm_string "$value")"
    fi
  done
}

# Seconds as milliseconds, in REPLY; then printed.
__wm_millis() { local whole=${1%%.*} part=''; [[ $1 != *.* ]] || part=${1#*.}; part=${part}000; REPLY=$((10#${whole:-0} * 1000 + 10#${part:0:3})); }
__wm_ms() { local REPLY; __wm_millis "$1"; echo "$REPLY"; }
__wm_seconds() { local sign=''; (($1 >= 0)) || sign=-; printf '%s%d.%03d\n' "$sign" $((${1#-} / 1000)) $((${1#-} % 1000)); }

# A jq that lives as long as the worker. "?JSON" asks whether it is JSON, "=JSON" for it on one line: "." or
# the JSON is the answer, "!" means that it is none. jq takes nan, JSON does not.
__wm_sound='def sound: if any(..; type == "number" and isnan) then error else . end;'
__wm_jq=$__wm_sound' try (.[0:1] as $how | .[1:] | fromjson | sound |
  if $how == "?" then "." else tojson end) catch "!"'
__wm_check() {
  if [[ -z ${__WM_JQ_PID-} ]]; then
    coproc __WM_JQ { __wm_close; exec jq -rR --unbuffered "$__wm_jq"; } 2>/dev/null
  fi
  printf '%s\n' "$1" >&"${__WM_JQ[1]}"
  IFS= read -r REPLY <&"${__WM_JQ[0]}" && [[ $REPLY != '!' ]]
}

# ---- a producer, and a worker by hand ----

# workman_enqueue PROFILE.yaml TASK [JSON] [delay= priority= unique= max_attempts=] [wait=1] [timeout=SECONDS]:
# prints the queue's id of the job or, with wait, its result. This is `workman enqueue`: it needs no daemon,
# and its exit codes are that command's.
workman_enqueue() {
  local profile=$1 task=$2 args=${3:-null} option
  local -a options=()
  for option in "${@:4}"; do
    case $option in
      delay=* | priority=* | unique=* | timeout=*) options+=("--${option%%=*}" "${option#*=}") ;;
      max_attempts=*) options+=(--max-attempts "${option#*=}") ;;
      wait=*) options+=(--wait) ;;
      *) echo "workman_enqueue: unknown option $option" >&2; return 64 ;;
    esac
  done
  "${WORKMAN_COMMAND:-workman}" enqueue -p "$profile" "${options[@]}" -- "$task" "$args"
}

__wm_by_hand() {
  local usage="$0 is a worker: workmand starts it and hands it jobs. In a profile:

  command: [bash, $0]

By hand:

  $0 --list             prints the names of its tasks
  $0 --run TASK [JSON]  runs one, prints its result; exit status 1 if it fails"
  case $#,${1-} in
    0, | 1,--help) printf '%s\n' "$usage" ;;
    1,--list) ((${#__wm_names[@]} == 0)) || printf '%s\n' "${__wm_names[@]}" ;;
    [23],--run) __wm_run_one "$2" "${3:-null}" || exit 1 ;;
    *) printf '%s\n' "$usage" >&2; exit 64 ;;
  esac
  exit 0
}

__wm_run_one() {
  declare -F "task_$1" >/dev/null || { echo "no task $1 here; --list tells which there are" >&2; return 1; }
  __wm_check "?$2" || { echo "the arguments are not JSON: $2" >&2; return 1; }
  JOB_ID=ByHand000000 JOB_TASK=$1 JOB_ATTEMPT=1 JOB_MAX_ATTEMPTS='' JOB_DEADLINE='' JOB_ENDS='' __wm_bytes='' __wm_args=$2
  __wm_hook on_boot
  __wm_work
  __wm_hook on_exit
  jq -r 'if .type == "done" then (.enqueue // [])[] | "would enqueue \(.)"
    else (.error.trace // empty), .type + ": " + (.error.message // .reason) end' <<<"$__wm_outcome" >&2
  jq -ce 'if .type == "done" then .result // .result_b64 else halt_error end' <<<"$__wm_outcome" 2>/dev/null
  [[ $__wm_outcome == '{"type":"done"'* ]]
}

# What follows in this process, a fork, does not have the protocol.
__wm_close() { [[ -z $__wm_in ]] || eval "exec $__wm_in<&- $__wm_out>&-"; }
# A command of the user in the worker itself, without the protocol.
__wm_apart() { if [[ -z $__wm_in ]]; then "$@"; else eval '"$@"' "$__wm_in<&- $__wm_out>&-"; fi; }

if [[ -n ${WORKMAN-} ]]; then
  if [[ -n ${WORKMAN_IN-} ]]; then
    eval "exec {__wm_in}<&$WORKMAN_IN {__wm_out}>&$WORKMAN_OUT $WORKMAN_IN<&- $WORKMAN_OUT>&-"
  else
    exec {__wm_in}<&0 {__wm_out}>&1
  fi
  exec 0</dev/null
  { exec 1>&2; } 2>/dev/null || exec 1>/dev/null 2>&1 # There may be no stderr.
  unset WORKMAN WORKMAN_IN WORKMAN_OUT
fi
# shellcheck source=serve.sh
if [[ ${BASH_SOURCE[0]} == */* ]]; then . "${BASH_SOURCE[0]%/*}/serve.sh"; else . ./serve.sh; fi
