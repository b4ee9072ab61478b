#!/usr/bin/env bash
# Checks the relative links of all Markdown files: files, images and headings. Checks that docs/README.md lists all pages of docs,
# and that each page says first for whom it is. Links to other hosts are not followed.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh tools node cache

modules=$(scripts/get.sh links)
status=0
git ls-files -z --cached --others --exclude-standard -- '*.md' |
  xargs -0 "$modules/.bin/remark" --quiet --frail --no-stdout --no-config --no-color \
    --use "$modules/remark-validate-links/index.js=repository:false" || status=1

for page in docs/*.md; do
  name=$(basename "$page")
  [ "$name" != README.md ] || continue
  grep -qF "]($name)" docs/README.md || { say "docs/README.md does not list $page"; status=1; }
  sed -n 3p "$page" | grep -q '^This page is for ' || { say "$page: line 3 does not begin with 'This page is for'"; status=1; }
done
exit "$status"
