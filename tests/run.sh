#!/usr/bin/env bash
# Installs what is missing, builds, and runs the tests.
#   tests/run.sh             every room
#   tests/run.sh ROOM …      the tests of these rooms (tests/<room>), for instance: tests/run.sh io glm
#   tests/run.sh --long …    the long ones too
# Ends with the number passed, failed and skipped; the exit status is 0 only when none failed.
# NOEMA_TEST_DATA names the folder of the real datasets (default: ../shared/data); without it their tests are skipped.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../cmake/bootstrap.sh"

rooms=()
for word in "$@"; do
  case "$word" in
    --long) export NOEMA_LONG_TESTS=1 ;;
    -*) die "unknown option $word (known: --long and names of rooms)" ;;
    *) [ -d "$NOEMA_ROOT/tests/$word" ] || die "no tests for '$word'; there are: $(cd "$NOEMA_ROOT/tests" && ls -d -- */ | tr -d / | tr '\n' ' ')"
       rooms+=("$word") ;;
  esac
done

targets=(all benchmarks)
if [ ${#rooms[@]} -gt 0 ]; then
  targets=()
  for room in "${rooms[@]}"; do
    if [ -f "$NOEMA_ROOT/tests/$room/CMakeLists.txt" ]; then targets+=("${room}_tests"); else targets=(all benchmarks); break; fi
  done
fi
bootstrap_build "${targets[@]}"
exec python3 "$NOEMA_ROOT/tests/support/run_tests.py" "$NOEMA_ROOT" "$NOEMA_BUILD" "${rooms[@]}"
