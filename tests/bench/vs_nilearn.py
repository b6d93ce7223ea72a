#!/usr/bin/env python3
"""Loading with a mask and cleaning beside nilearn, on data of the same size: prints ours, theirs and the ratio.

Ours are load_bench and clean_bench in build/bin; without nilearn in this Python it says so and exits with 77.
"""
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

try:
    import nibabel
    import numpy as np
    from nilearn.masking import apply_mask
    from nilearn.signal import clean
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

BUILD = Path(os.environ.get("NOEMA_BUILD", Path(__file__).resolve().parents[2] / "build"))
REPETITIONS = 3
warnings.simplefilter("ignore", FutureWarning)


def ours_s(program, name):
    """The median of a benchmark in seconds."""
    words = [BUILD / "bin" / program, f"--benchmark_filter=^{name}$", "--benchmark_format=json", f"--benchmark_repetitions={REPETITIONS}"]
    found = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    row = next(b for b in found["benchmarks"] if b.get("aggregate_name") == "median")
    return row["real_time"] * {"s": 1, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}[row["time_unit"]]


def theirs_s(work):
    times = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def scan(folder):
    """A head with noise in air, as in load_bench."""
    i, j, k = np.ogrid[:64, :64, :36]
    head = ((i - 32) / 26) ** 2 + ((j - 32) / 30) ** 2 + ((k - 18) / 17) ** 2 < 1
    random = np.random.default_rng(1)
    values = np.empty((64, 64, 36, 200), np.int16)
    for t in range(200):
        values[..., t] = np.round(np.abs(900 * head + random.normal(0, 15, head.shape) * np.where(head, 1, 0.3)))
    path = Path(folder) / "scan.nii.gz"
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), path)
    return path, nibabel.Nifti1Image(head.astype(np.uint8), np.eye(4))


def row(what, ours, theirs):
    print(f"{what:<44} {ours:8.3f} s {theirs:8.3f} s {theirs / ours:6.1f} ×", flush=True)


print(f"{'':<44} {'noema':>10} {'nilearn':>10} {'ratio':>8}")
with tempfile.TemporaryDirectory() as folder:
    path, mask = scan(folder)
    row("load 64×64×36×200 int16 .nii.gz (theirs: mask)", ours_s("load_bench", "load/flipped:0/real_time"),
        theirs_s(lambda: apply_mask(str(path), mask, dtype="f")))
random = np.random.default_rng(2)
series = (1000 + random.normal(size=(200, 60000))).astype(np.float32)
confounds = random.normal(size=(200, 36))
plain = {"standardize": False, "detrend": True}
band = {**plain, "filter": "butterworth", "high_pass": 0.01, "low_pass": 0.1, "t_r": 2}
row("detrend 200×60,000", ours_s("clean_bench", "BM_Detrend/process_time/real_time"), theirs_s(lambda: clean(series, **plain)))
row("band-pass, 36 confounds, 200×60,000", ours_s("clean_bench", "BM_BandPass36Confounds/process_time/real_time"),
    theirs_s(lambda: clean(series, confounds=confounds, **band)))
