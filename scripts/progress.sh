# shellcheck shell=bash
# Sourced by the scripts that build or fetch: progress messages.

say() { printf '%s\n' "$*" >&2; }

# progress TEXT: prints a line every 15 s. It waits on a pipe without a writer, because a `sleep` would outlive this process.
progress() {
  local silence begun=$SECONDS
  exec {silence}<> <(:) || return
  while kill -0 $$ && ! read -rt 15 -u "$silence"; do say "  still $1, $((SECONDS - begun)) s"; done
}

# during TEXT COMMAND...: runs the command with progress messages.
during() {
  local text=$1 status=0
  shift
  progress "$text" >&2 &
  local teller=$!
  "$@" || status=$?
  kill "$teller" 2>/dev/null || : # a system without /dev/fd has none
  return "$status"
}
