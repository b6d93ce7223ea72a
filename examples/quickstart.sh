#!/usr/bin/env bash
# Installs what is missing, builds noema, simulates a small dataset whose truth is known, and decodes it.
# Usage: examples/quickstart.sh [FOLDER]   (default: build/quickstart)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../cmake/bootstrap.sh"
bootstrap_build noema
folder="${1:-$NOEMA_BUILD/quickstart}"
noema="$NOEMA_BUILD/bin/noema"
mkdir -p "$folder"

if [ ! -f "$folder/dataset/dataset_description.json" ]; then
  say "simulating six subjects with four states"
  "$noema" simulate "$folder/dataset" --subjects 6 --level 0.12 --seed 1
fi
say "decoding, leaving one subject out at a time"
"$noema" decode "$folder/dataset" "$folder/results" --seed 1
say "open the report in a browser: $folder/results/report.html"
