"""Peak memory above start-up stays below 2.5 times the masked series in single precision: of a first-level model, and of
cleaning with smoothing, of a run in a .nii.gz file."""
import gzip
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import damage
from command import NOEMA, Folder
from nifti import volumes_of

MOST = 2.5


def peak_mb(*words):
    """Of a call as a process of its own."""
    words = [str(word) for word in (NOEMA, *words, "--threads", "2")]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, words
    return usage.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)


with Folder() as folder:
    large = damage.simulate(folder / "large", subjects=1, runs=1, blocks=8, shape="36,44,36")
    small = damage.simulate(folder / "small", subjects=1, runs=1)
    file = damage.bold(large)
    voxels = sum(volumes_of(next(damage.func(large).glob("*_mask.nii.gz")))[1][0])
    volumes = int.from_bytes(gzip.open(file).read(50)[48:50], "little")
    masked_mb = voxels * volumes * 4 / 2 ** 20
    assert masked_mb > 15, masked_mb  # else start-up would be most of it
    for name, words in (("model", ["glm", "{}", "{}-glm", "--fwhm", "6", "--noise", "ar1"]),
                        ("model of higher order", ["glm", "{}", "{}-glm2", "--noise", "ar3"]),
                        ("cleaning", ["preprocess", "{}", "{}-series", "--features", "voxels", "--fwhm", "6",
                                      "--filter", "butterworth", "--high-pass", "0.01", "--low-pass", "0.1"])):
        at_start, at_most = (peak_mb(*[word.format(data) for word in words]) for data in (small, large))
        share = (at_most - at_start) / masked_mb
        print(f"{name}: {at_most:.0f} MB, {at_start:.0f} at start-up, masked series {masked_mb:.1f} MB: {share:.2f} times")
        assert 0.5 < share < MOST, (name, share)
