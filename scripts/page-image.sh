#!/usr/bin/env bash
# Writes the pictures of the live page in docs/images: three widths, light and dark, with the numbers of a simulated server.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"

scripts/prerequisites.sh node python cache browser
node page/tests/pictures.mjs docs/images
"$(scripts/get.sh python dashboard-image)" page/tests/shrink.py docs/images/page-*.png
