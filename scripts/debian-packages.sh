#!/usr/bin/env bash
# As root on Debian: installs the packages of scripts/prerequisites.txt whose programs are missing. Otherwise it does nothing.
# It starts no services and asks no questions.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 0
mapfile -t names < <(sed '/^#/d; s/ .*//' scripts/prerequisites.txt | sort -u)
mapfile -t packages < <(scripts/prerequisites.sh --packages "${names[@]}" | sort -u)
[ ${#packages[@]} -gt 0 ] || exit 0

log=$CARGO_TARGET_DIR/debian-packages.log
# quietly COMMAND...: writes the command's output to the log, and prints it if the command fails.
quietly() { "$@" >>"$log" 2>&1 </dev/null || { tail -n 20 "$log" >&2; return 1; }; }

: >"$log"
# Debian calls policy-rc.d before it starts a package's service. The tests start a container engine themselves.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ] && [ -w "${policy%/*}" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
step "Reading Debian's lists of packages" quietly apt-get update
step "Installing ${packages[*]}" quietly apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends "${packages[@]}"
