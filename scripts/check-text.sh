#!/usr/bin/env bash
# Checks all texts: no paths of one machine, no package hosts, no links out of the repository.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh tools

status=0
# refuse WHAT PATTERN PATHSPEC...: prints each line that matches, and fails if there is one.
refuse() {
  local what=$1 pattern=$2
  shift 2
  if git grep --untracked -InE -e "$pattern" -- "$@" >&2; then
    say "refused above: $what"
    status=1
  fi
}

everything=(. ':!scripts/check-text.sh' ':!LICENSE')
refuse "a path of one machine" \
  '(^|[^A-Za-z0-9_.])/(root|work|home/[a-z]|Users/[A-Za-z]|tmp/[A-Za-z0-9])' "${everything[@]}"
refuse "a package host; versions and hashes are pinned, and users choose their registry" \
  'https?://[^ "]*(pypi\.org|pythonhosted\.org|registry\.npmjs|npmjs\.org|static\.crates\.io|index\.crates\.io|proxy\.golang\.org|artifactory|nexus)' \
  "${everything[@]}"
refuse "a host or an option of pip; allowed: name==version" \
  '^(--?[a-z]|[^#]*@|[^#=]+$)' 'tests/python/*.txt'
refuse "a resolved URL in a lock file of npm" '"resolved"' '*package-lock.json'
refuse "a link out of the repository" '\]\((\.\./)*shared/|\.\./shared' "${everything[@]}"

# Cargo writes this name for the default registry, also when a mirror is used.
if git grep --untracked -nE '^source = ' -- '*Cargo.lock' | grep -v 'registry+https://github.com/rust-lang/crates.io-index"$' >&2; then
  say "refused above: a crate that is not from crates.io"
  status=1
fi

exit "$status"
