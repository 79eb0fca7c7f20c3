#!/usr/bin/env bash
# A worker in bash. The daemon writes compact JSON with "type" first, so that a prefix tells a job
# from the rest; jq does the parsing, one process per job: simple, and fast enough for most.

field() { jq -r "$1" <<<"$line"; }
done_() { jq -c '{type: "done", id, result: .args}' <<<"$line"; }
fail() { jq -c --arg message "$1" '{type: "fail", id, error: {message: $message}}' <<<"$line"; }

echo '{"type":"ready","tasks":["Echo","Sleep","Fail"]}'
while IFS= read -r line; do
  case $line in
    '{"type":"job",'*) ;;
    *) continue ;;  # the greeting, the notice of a stop, and whatever is invented later
  esac
  case $(field .task) in
    Echo) done_ ;;
    Sleep)
      # The sleeper must not hold the pipes: if this worker is killed, it may live a little longer.
      if sleep "$(field .args.s)" </dev/null >/dev/null; then done_; else fail "cannot sleep"; fi
      ;;
    Fail) fail "$(field .args.message)" ;;
    *) fail "no such task" ;;
  esac
done
