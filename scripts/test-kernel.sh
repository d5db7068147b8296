#!/usr/bin/env bash
# Fetches a Debian kernel for the tests that boot one (test/host/vm.test.ts) and prints its path.
#   scripts/test-kernel.sh [PACKAGE]       default: what linux-image-cloud-amd64 depends on
# Needs Debian's apt and dpkg, no root. The package is unpacked, not installed.
set -euo pipefail
keep=${XDG_CACHE_HOME:-$HOME/.cache}/faultline/kernels
package=${1:-$(apt-cache depends --no-recommends linux-image-cloud-amd64 2>/dev/null |
  sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -1)}
[ -n "$package" ] || { echo "apt knows no linux-image-cloud-amd64 (apt-get update?)" >&2; exit 1; }
place=$keep/$package
image=$(ls "$place"/boot/vmlinuz-* 2>/dev/null | head -1 || true)
if [ -z "$image" ]; then
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  (cd "$scratch" && apt-get download -q "$package" >&2)
  mkdir -p "$place"
  dpkg-deb -x "$scratch"/*.deb "$place"
  image=$(ls "$place"/boot/vmlinuz-* | head -1)
fi
echo "$image"
