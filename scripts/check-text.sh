#!/usr/bin/env bash
# The repository speaks of itself alone: no paths of somebody's machine, no package hosts, no link out of it or to nothing.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh tools

status=0
# refuse WHAT PATTERN PATHSPEC...: fails on every line that matches.
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
refuse "a package host; versions and hashes are pinned, where they come from is the reader's choice" \
  'https?://[^ "]*(pypi\.org|pythonhosted\.org|registry\.npmjs|npmjs\.org|static\.crates\.io|index\.crates\.io|proxy\.golang\.org|artifactory|nexus)' \
  "${everything[@]}"
refuse "a host or an option of pip; requirements are name==version" \
  '^(--?[a-z]|[^#]*@|[^#=]+$)' 'tests/python/*.txt'
refuse "a resolved URL in a lock file of npm" '"resolved"' '*package-lock.json'
refuse "a link out of the repository" '\]\((\.\./)*shared/|\.\./shared' "${everything[@]}"

# Cargo writes the default registry by this name wherever the crates really come from.
if git grep --untracked -nE '^source = ' -- '*Cargo.lock' | grep -v 'registry+https://github.com/rust-lang/crates.io-index"$' >&2; then
  say "refused above: a crate from elsewhere than crates.io"
  status=1
fi

# Every relative link in a page leads to a file.
while IFS=: read -r page link; do
  [ -e "$(dirname "$page")/$link" ] && continue
  say "$page: the link $link leads nowhere"
  status=1
done < <(git grep --untracked -oP '\]\(\K[^)#:\s]+(?=[)#])' -- '*.md')
exit "$status"
