#!/usr/bin/env bash
# The smallest worker that does jobs: ready in a few milliseconds, answers every job with null.
echo '{"type":"ready","tasks":["Mini"]}'
while IFS= read -r line; do
  case $line in
    '{"type":"job",'*)
      id=${line#*'"id":"'}
      printf '{"type":"done","id":"%s"}\n' "${id%%'"'*}"
      ;;
  esac
done
