#!/usr/bin/env bash
# Prints CHANGELOG's section of a release. Fails if the tag, Cargo.toml, the chart, the manifests and CHANGELOG do not agree.
#
#   scripts/release-notes.sh v0.1.0          as it is in CHANGELOG.md
#   scripts/release-notes.sh v0.1.0 URL      links to files of the repository begin with URL, for a page outside of it
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

[ $# -ge 1 ] || { say "usage: scripts/release-notes.sh TAG [URL]"; exit 2; }
tag=$1 url=${2:-}
refuse() { say "release-notes.sh: $1"; exit 1; }

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
[ "$tag" = "v$version" ] || refuse "the tag is $tag, but Cargo.toml has the version $version, whose tag is v$version"
scripts/check-versions.sh

# section TITLE: the lines between the heading [TITLE] and the next heading of its level, without empty lines at both ends.
section() {
  awk -v heading="## [$1]" '
    index($0, "## ") == 1 { inside = index($0, heading) == 1; next }
    inside && (NF || text) { text = text $0 "\n"; if (NF) kept = text }
    END { printf "%s", kept }' CHANGELOG.md
}

dated="^## \[${version//./\\.}\] - [0-9]{4}-[0-9]{2}-[0-9]{2}$"
grep -qE "$dated" CHANGELOG.md || refuse "CHANGELOG.md has no heading '## [$version] - YYYY-MM-DD'"
[ "$(grep -E '^## \[[0-9]' CHANGELOG.md | head -n 1 | grep -cE "$dated")" = 1 ] || refuse "CHANGELOG.md has a section above [$version]; a release is the newest"
[ -z "$(section Unreleased)" ] || refuse "CHANGELOG.md has entries under [Unreleased]; move them under [$version]"
notes=$(section "$version")
[ -n "$notes" ] || refuse "the section [$version] of CHANGELOG.md is empty"
# A link with a scheme, or to a heading of the same page, stays.
[ -z "$url" ] || notes=$(sed -E "s,\]\(([^):#]+[)#]),](${url%/}/\1,g" <<<"$notes")
printf '%s\n' "$notes"
