#!/usr/bin/env bash
# Builds kernels/ alone, with its CUDA part, and holds it against LibTorch on this machine's GPU: results, then speed.
# Needs cmake, nvcc and a Python with torch (PYTHON names another); nothing else. Usage: tests/bench/gpu.sh [BUILD_FOLDER]
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
if [ $# -gt 0 ]; then
  build="$1"
else
  build="$(mktemp -d)"
  trap 'rm -rf "$build"' EXIT
fi
torch="$("${PYTHON:-python3}" -c 'import os, torch; print(os.path.dirname(torch.__file__))')"
cmake -S "$here/gpu" -B "$build" -DNOEMA_LIBTORCH_OF_PYTHON="$torch" -DCMAKE_BUILD_TYPE=Release
cmake --build "$build" --parallel
"$build/gpu_check"
