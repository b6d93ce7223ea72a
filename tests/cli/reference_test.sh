#!/usr/bin/env bash
# docs/reference/commands says what the commands say of themselves.
set -euo pipefail
root="$(cd "$(dirname "$0")/../.." && pwd)"
fresh="$(mktemp -d)"
trap 'rm -rf "$fresh"' EXIT
"${NOEMA_BIN:-$root/build/bin/noema}" reference "$fresh"
diff -r "$root/docs/reference/commands" "$fresh" || {
  echo "the reference is out of date: run 'build/bin/noema reference docs/reference/commands'"
  exit 1
}
