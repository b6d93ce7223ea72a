"""For test scripts: runs the command, reads results, skips, and compares."""
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
NOEMA = os.environ.get("NOEMA_BIN", str(ROOT / "build" / "bin" / "noema"))
DATA = Path(os.environ.get("NOEMA_TEST_DATA", ROOT.parent / "shared" / "data"))


def skip(reason):
    print(reason)
    sys.exit(77)


def dataset(name):
    path = DATA / name
    if not path.is_dir():
        skip(f"the dataset '{name}' is not in {DATA}; set NOEMA_TEST_DATA")
    return path


def long_only():
    if not os.environ.get("NOEMA_LONG_TESTS"):
        skip("a long test; run tests/run.sh --long")


def run(*words, status=0, timeout=1200):
    """Runs the command; prints its output and fails when the exit status is another. Returns its stderr and stdout."""
    words = [str(word) for word in words]
    start = time.monotonic()
    done = subprocess.run([NOEMA, *words], capture_output=True, text=True, timeout=timeout)
    print(f"$ noema {' '.join(words)}   [{time.monotonic() - start:.1f} s]\n{done.stderr}{done.stdout}", flush=True)
    assert done.returncode == status, f"exit status {done.returncode}, expected {status}"
    return done.stderr, done.stdout


def results(folder):
    return json.loads((Path(folder) / "results.json").read_text())


def model(found, name):
    for entry in found["models"] + found["baselines"]:
        if entry["name"] == name:
            return entry
    raise AssertionError(f"no model {name}")


def accuracy(found, name):
    return model(found, name)["balanced_accuracy"]["mean"]


def right(found, name):
    """Samples on the diagonal of the confusion matrix."""
    confusion = model(found, name)["confusion"]
    return sum(confusion[k][k] for k in range(len(confusion)))


def at_least(what, value, least):
    print(f"{'ok ' if value >= least else 'BAD'} {what}: {value:.4g}, at least {least:.4g}", flush=True)
    assert value >= least, f"{what}: found {value}, expected at least {least}"


class Folder:
    """A temporary folder that goes away with the test."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="noema-test-")
        return Path(self.folder.name)

    def __exit__(self, *_):
        self.folder.cleanup()
