#!/usr/bin/env bash
# Makes a fresh Debian machine able to build Noema, then builds it. Source this file; it defines
#   bootstrap_packages   Debian packages of cmake/packages.txt that are missing
#   bootstrap_libtorch   LibTorch from the pinned PyPI wheel, in ${NOEMA_CACHE:-$HOME/.cache/noema}, unless Torch_DIR or
#                        CMAKE_PREFIX_PATH in the environment names another
#   bootstrap_build T..  configure build/ once and build the given targets
# Each is safe to run twice: what is there already is neither fetched nor built again.

NOEMA_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
NOEMA_CACHE="${NOEMA_CACHE:-$HOME/.cache/noema}"
NOEMA_BUILD="${NOEMA_BUILD:-$NOEMA_ROOT/build}"
LIBTORCH_VERSION=2.11.0
LIBTORCH_WHEELS="torch==2.11.0 nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85"

say() { printf 'noema: %s\n' "$*" >&2; }
die() { printf 'noema: error: %s\n' "$*" >&2; exit 1; }

bootstrap_packages() {
  command -v dpkg-query >/dev/null || { say "not a Debian system: the libraries of cmake/packages.txt must be there"; return; }
  local missing=() package
  while read -r package; do
    case "$package" in ''|'#'*) continue ;; esac
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
  done < "$NOEMA_ROOT/cmake/packages.txt"
  [ ${#missing[@]} -eq 0 ] && return
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null || { [ -t 0 ] && command -v sudo >/dev/null; }; then
      as_root=(sudo)
    else
      die "these Debian packages are missing and neither root nor sudo is at hand; install them, then run this again:
  apt-get install ${missing[*]}"
    fi
  fi
  say "installing ${#missing[@]} Debian packages: ${missing[*]}"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq ||
    die "apt-get update failed; the missing packages are: ${missing[*]}"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2 ||
    die "apt-get could not install: ${missing[*]}"
}

# Unpacks what a CPU build needs of the wheels into $2. The two CUDA libraries come along because
# libtorch_cpu.so of this wheel names them; libc10_cuda.so is for builds with nvcc. The wheel's copy of
# fmt is left out: it would shadow the system's.
unpack_libtorch() {
  local from="$1" to="$2"
  unzip -q "$from"/torch-*.whl 'torch/lib/*' 'torch/include/*' 'torch/share/*' 'torch/version.py' \
    -x 'torch/lib/libtorch_cuda*' 'torch/lib/libtorch_nvshmem*' 'torch/lib/libtorch_python*' \
       'torch/lib/libcaffe2_nvrtc*' 'torch/include/fmt/*' -d "$to" || return 1
  unzip -q "$from"/nvidia_cuda_runtime-*.whl 'nvidia/*' -d "$to" || return 1
  unzip -q -o "$from"/nvidia_cuda_cupti-*.whl 'nvidia/cu13/lib/libcupti*' -d "$to" || return 1
}

fetch_libtorch() (
  set -e
  local target="$1" temporary
  temporary="$(mktemp -d "$NOEMA_CACHE/.libtorch.XXXXXX")"
  trap 'rm -rf "$temporary"' EXIT
  say "downloading LibTorch $LIBTORCH_VERSION (about 545 MB, once) into $NOEMA_CACHE"
  # The platform tags are the wheels' own; the Python version names the wheel, not the machine's Python.
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
    --platform manylinux_2_28_x86_64 --platform manylinux_2_25_x86_64 --platform manylinux_2_17_x86_64 \
    --platform manylinux2014_x86_64 --python-version 3.11 --implementation cp --abi cp311 --abi none \
    --dest "$temporary/wheels" $LIBTORCH_WHEELS ||
    die "the LibTorch wheels could not be downloaded; give your own by Torch_DIR=<torch>/share/cmake/Torch in the environment"
  (cd "$temporary/wheels" && sha256sum --check --quiet "$NOEMA_ROOT/cmake/libtorch.sha256") ||
    die "a downloaded LibTorch wheel does not have the expected hash"
  mkdir "$temporary/unpacked"
  unpack_libtorch "$temporary/wheels" "$temporary/unpacked" || die "a LibTorch wheel could not be unpacked"
  sync -f "$temporary/unpacked" 2>/dev/null || sync
  mv -T "$temporary/unpacked" "$target"
)

bootstrap_libtorch() {
  if [ -n "${Torch_DIR:-}" ] || [ -n "${CMAKE_PREFIX_PATH:-}" ]; then return; fi
  local target="$NOEMA_CACHE/libtorch-$LIBTORCH_VERSION"
  mkdir -p "$NOEMA_CACHE" || die "cannot write to $NOEMA_CACHE; set NOEMA_CACHE to a folder that can be written"
  if [ ! -d "$target" ]; then
    # One download at a time; whoever waited finds it done. The rename makes a half-unpacked copy impossible.
    (flock 9; [ -d "$target" ] || fetch_libtorch "$target") 9>"$NOEMA_CACHE/libtorch.lock" || exit 1
  fi
  export NOEMA_LIBTORCH="$target/torch"
}

bootstrap_build() {
  bootstrap_packages
  bootstrap_libtorch
  mkdir -p "$NOEMA_BUILD"
  (
    flock 9
    if [ ! -f "$NOEMA_BUILD/CMakeCache.txt" ] || [ -n "${NOEMA_CMAKE_ARGS:-}" ]; then
      local generator=()
      command -v ninja >/dev/null && generator=(-G Ninja)
      local torch=()
      [ -n "${Torch_DIR:-}" ] && torch=("-DTorch_DIR=$Torch_DIR")
      # shellcheck disable=SC2086
      cmake -S "$NOEMA_ROOT" -B "$NOEMA_BUILD" "${generator[@]}" -DCMAKE_BUILD_TYPE=Release "${torch[@]}" ${NOEMA_CMAKE_ARGS:-} ||
        die "configuring failed"
    fi
    cmake --build "$NOEMA_BUILD" --parallel "${NOEMA_JOBS:-2}" --target "$@" || die "building failed"
  ) 9>"$NOEMA_BUILD/.lock" || exit 1
}
