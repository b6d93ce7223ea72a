"""Data whose truth is known: decoders find it, maps show it, and noise alone gives chance."""
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from command import Folder, accuracy, at_least, results, run

LONG = bool(os.environ.get("NOEMA_LONG_TESTS"))
PLAIN = ["--drift", "0", "--spikes", "0", "--hrf-delay-sd", "0", "--hrf-width-sd", "0"]


def decode(data, out, *words):
    run("decode", data, out, "--permutations", "0", *words, timeout=1800)
    return results(out)


def check_truth(data, out, methods):
    """Correlation with the truth (each state's map minus the mean of the others), mean over states."""
    names = {"GLM": ("contrast-{}_stat-effect", 0, "signed"), **methods}
    for what, (stem, fwhm, part) in names.items():
        if what == "GLM":
            least = 0.94
        else:
            stem, fwhm, part, least = methods[what]
        values = []
        for state in results(out)["labels"]:
            image = out / "maps" / f"{stem.format(state)}_statmap.nii.gz"
            _, text = run("compare", image, data / "ground-truth" / f"contrast-{state}.nii.gz", "--fwhm", fwhm, "--part", part, "--json")
            values.append(json.loads(text)["pearson"])
        at_least(f"{what}: correlation with truth", sum(values) / len(values), least)


with Folder() as out:
    data = out / "strong"
    run("simulate", data, "--level", "0.27", "--seed", "1", *PLAIN)
    volumes = decode(data, out / "volumes", "--model", "ridge,cnn3d", "--samples", "volumes", "--seeds", "1",
                     "--attribution", "gradient,integrated-gradients")
    assert volumes["split"]["unit"] == "subject" and volumes["split"]["folds"] == 8
    at_least("ridge on volumes, level .27", accuracy(volumes, "ridge"), 0.93)
    at_least("3-D network on volumes, level .27", accuracy(volumes, "cnn3d"), 0.90)
    parcels = decode(data, out / "parcels", "--model", "long-conv", "--features", "parcels", "--samples", "blocks",
                     "--seeds", "1", "--attribution", "gradient")
    at_least("long convolution on parcel blocks, level .27", accuracy(parcels, "long-conv"), 0.95)
    run("simulate", out / "weak", "--level", "0.12", "--seed", "1", *PLAIN)
    weak = decode(out / "weak", out / "weak-out", "--model", "long-conv", "--features", "parcels", "--samples", "blocks",
                  "--seeds", "1", "--no-glm", "--attribution", "gradient")
    at_least("long convolution on parcel blocks, level .12", accuracy(weak, "long-conv"), 0.83)
