#!/usr/bin/env bash
# Checks the workflows in .github: their permissions and what gets into their scripts (zizmor), and that each action is pinned to one
# commit everywhere, with its version beside it. actionlint needs Go; scripts/test-publish.sh runs it.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh python cache

status=0
# Everything that zizmor knows without a network, for any persona.
"$(dirname "$(scripts/get.sh python lint)")/zizmor" --offline --no-progress --quiet --strict-collection --persona auditor .github >&2 || status=1

# Lines `ACTION COMMIT VERSION` of all actions; an action of this repository begins with `./`.
actions=$(sed -nE 's/^ *(- )?uses: *//p' .github/workflows/*.yml | grep -v '^\./' | sort -u)
while read -r line; do
  [[ $line =~ ^[A-Za-z0-9._/-]+@[0-9a-f]{40}\ #\ v[0-9]+\.[0-9]+\.[0-9]+$ ]] ||
    { say "uses: $line: expected ACTION@COMMIT # vX.Y.Z, with the 40 digits of the commit"; status=1; }
done <<<"$actions"
several=$(cut -d@ -f1 <<<"$actions" | uniq -d)
[ -z "$several" ] || { say "more than one commit or version of ${several//$'\n'/, }"; status=1; }
exit "$status"
