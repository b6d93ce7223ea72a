#!/usr/bin/env bash
# Times `noema decode` with all its defaults, end to end, on the two real datasets: three calls each, into a fresh folder.
#   tests/bench/decode_end_to_end.sh [REPETITIONS]
# NOEMA_BIN names the command (default: build/bin/noema), NOEMA_TEST_DATA the folder of the datasets.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
noema="${NOEMA_BIN:-$root/build/bin/noema}"
data="${NOEMA_TEST_DATA:-$root/../shared/data}"
repetitions="${1:-3}"
[ -x "$noema" ] || { echo "no command '$noema'; build it, or set NOEMA_BIN" >&2; exit 1; }
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT

"$noema" doctor | grep -iE "^ *(noema|compiler|libtorch|blas|threads|simd)" || true
printf 'load of the machine at the start: %s\n' "$(cut -d' ' -f1-3 /proc/loadavg 2>/dev/null || echo unknown)"
printf '%-14s %8s %8s %8s %8s\n' dataset 'min s' 'median s' 'CPU s' 'peak MB'
for name in haxby-slice localizer; do
  if [ ! -d "$data/$name" ]; then echo "$name: not in $data"; continue; fi
  walls=() cpus=()
  for ((i = 0; i < repetitions; ++i)); do
    rm -rf "$folder/out"
    TIMEFORMAT='%R %U %S'
    spent="$( { time "$noema" decode "$data/$name" "$folder/out" --quiet >/dev/null; } 2>&1 | tail -n 1)"
    read -r wall user system <<<"$spent"
    walls+=("$wall")
    cpus+=("$(awk "BEGIN { print $user + $system }")")
  done
  sorted=($(printf '%s\n' "${walls[@]}" | sort -n))
  cpu="$(printf '%s\n' "${cpus[@]}" | sort -n | head -n 1)"
  peak="$(sed -n 's/.*"peak_memory_mb": *\([0-9.]*\).*/\1/p' "$folder/out/results.json" | head -n 1)"
  printf '%-14s %8.1f %8.1f %8.1f %8.0f\n' "$name" "${sorted[0]}" "${sorted[$((repetitions / 2))]}" "$cpu" "$peak"
done
