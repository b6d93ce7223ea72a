#!/usr/bin/env bash
# The installed package serves a project of its own, and the installed command runs.
set -euo pipefail
root="$(cd "$(dirname "$0")/../.." && pwd)"
build="$(dirname "$(dirname "${NOEMA_BIN:-$root/build/bin/noema}")")"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/installed" >/dev/null
"$work/installed/bin/noema" --version
test -f "$work/installed/include/noema/io/nifti.h"
launcher="$(sed -n 's/^CMAKE_CXX_COMPILER_LAUNCHER:[A-Z]*=//p' "$build/CMakeCache.txt")"
cmake -S "$root/tests/install/consumer" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/installed" \
  -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER_LAUNCHER="$launcher"
cmake --build "$work/build"
cd "$work" && "$work/build/consumer"
