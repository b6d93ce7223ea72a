#!/usr/bin/env bash
# Times Noema and nilearn on the same arrays and files and prints a table: seconds of each, their ratio, the ratio that
# is aimed at, and how far the results are apart.
#   tests/bench/vs_nilearn/run.sh [--repetitions N] [--short] [ROW …]      rows: see --help
# nilearn comes from PyPI into a virtual environment in ${NOEMA_CACHE:-$HOME/.cache/noema}; NILEARN_PYTHON names a Python
# that has it already. Run it on an idle machine.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
source "$here/../../../cmake/bootstrap.sh"
bootstrap_build clean_times connectivity_times decoding_times glm_times image_times inference_times run_times

python="${NILEARN_PYTHON:-}"
if [ -z "$python" ]; then
  environment="$NOEMA_CACHE/nilearn-$(cksum < "$here/requirements.txt" | cut -d' ' -f1)"
  if [ ! -x "$environment/bin/python" ]; then
    say "installing nilearn into $environment (once)"
    rm -rf "$environment.part"
    python3 -m venv "$environment.part" || die "python3 -m venv failed; apt-get install python3-venv, or set NILEARN_PYTHON"
    "$environment.part/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt" ||
      die "nilearn could not be installed from PyPI; set NILEARN_PYTHON to a Python that has it"
    mv -T "$environment.part" "$environment"
  fi
  python="$environment/bin/python"
fi
exec env OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=2 "$python" "$here/compare.py" --build "$NOEMA_BUILD" "$@"
