# shellcheck shell=bash
# Sourced by the scripts that build or fetch: what they say while that takes long.

say() { printf '%s\n' "$*" >&2; }

# progress TEXT: says every 15 s that it goes on. It waits on a pipe that nothing writes to: a `sleep` would outlive it.
progress() {
  local silence begun=$SECONDS
  exec {silence}<> <(:) || return
  while kill -0 $$ && ! read -rt 15 -u "$silence"; do say "  still $1, $((SECONDS - begun)) s"; done
}

# during TEXT COMMAND...: runs it with that progress.
during() {
  local text=$1 status=0
  shift
  progress "$text" >&2 &
  local teller=$!
  "$@" || status=$?
  kill "$teller" 2>/dev/null || : # a system without /dev/fd has none
  return "$status"
}
