#!/usr/bin/env bash
# Pushes what `make release` wrote to a registry, and prints a line with name, repository and digest for each image. A version that
# the registry has already is not changed: the same bytes are left alone, others are refused.
#
#   scripts/publish.sh REGISTRY [DIRECTORY]
#
# REGISTRY is a host with a path, such as registry.example.com/team. DIRECTORY is target/release-artefacts unless given. They become
#
#   REGISTRY/mcp-sidecar:VERSION                the sidecar's image
#   REGISTRY/mcp-observability:VERSION          the module's image
#   REGISTRY/charts/mcp-observability:VERSION   the Helm chart
#
# Log in before (`crane auth login`, `docker login`). A registry on the loopback interface is spoken to without TLS.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[ $# -ge 1 ] || { say "usage: scripts/publish.sh REGISTRY [DIRECTORY]"; exit 2; }
registry=${1%/} directory=${2:-$target_dir/release-artefacts}
"$root/scripts/prerequisites.sh" go cache
crane=$("$root/scripts/get.sh" crane)
oras=$("$root/scripts/get.sh" oras)
helm=$("$root/scripts/get.sh" helm)
refuse() { say "publish.sh: $1"; exit 1; }

version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/Cargo.toml")
cd "$directory" || refuse "$directory does not exist; \`make release\` writes it"
sidecar=mcp-sidecar-$version.oci.tar module=mcp-observability-$version.oci.tar chart=mcp-observability-$version.tgz
# Nothing is pushed unless all of it can be.
for file in SHA256SUMS "$sidecar" "$module" "$chart"; do
  [ -e "$file" ] || refuse "$directory/$file is missing; \`make release\` writes it"
  [ "$file" = SHA256SUMS ] || grep -qE "^[0-9a-f]{64} [ *]$file\$" SHA256SUMS || refuse "$directory/SHA256SUMS does not name $file"
done
sha256sum --check --strict --quiet SHA256SUMS >&2 || refuse "the files of $directory are not those of SHA256SUMS"

plain=
[[ ! $registry =~ ^(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?(/|$) ]] || plain=1

# published NAME: the digest of this version of NAME in the registry. Empty if the registry says that it has none; any other
# failure, such as a missing login, ends the script.
published() {
  local said
  if said=$("$crane" digest "$registry/$1:$version" 2>&1); then
    echo "$said"
  elif [[ ! $said =~ MANIFEST_UNKNOWN|NAME_UNKNOWN|"404 Not Found" ]]; then
    refuse "$registry/$1:$version cannot be looked up: $said"
  fi
}

# push_image NAME FILE: pushes an image layout with all that refers to it, such as an SBOM.
push_image() {
  local name=$1 file=$2 digest before
  digest=$("$oras" resolve --oci-layout "$file:$version") || refuse "$file has no image with the tag $version"
  before=$(published "$name") || exit 1
  if [ -n "$before" ] && [ "$before" != "$digest" ]; then
    refuse "$registry/$name:$version is $before already, and $file is $digest; a published version never changes"
  fi
  [ -n "$before" ] || "$oras" copy --recursive --no-tty --from-oci-layout "$file:$version" ${plain:+--to-plain-http} "$registry/$name:$version" >&2
  echo "$name $registry/$name $digest"
}

# push_chart NAME FILE: the registry's digest of a chart is not known before: Helm writes the time of the push into it. So the
# archive is compared.
push_chart() {
  local name=$1 file=$2 before
  before=$(published "$name") || exit 1
  if [ -z "$before" ]; then
    "$helm" push "$file" ${plain:+--plain-http} "oci://$registry/$(dirname "$name")" >&2
  elif ! "$crane" manifest "$registry/$name@$before" | grep -q "sha256:$(sha256sum "$file" | cut -d' ' -f1)"; then
    refuse "$registry/$name:$version is another chart already; a published version never changes"
  fi
  before=$(published "$name")
  echo "chart $registry/$name $before"
}

push_image mcp-sidecar "$sidecar"
push_image mcp-observability "$module"
push_chart charts/mcp-observability "$chart"
