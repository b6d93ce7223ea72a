"""Data whose truth is known: decoders find it, maps show it, and noise alone gives chance.

The datasets: an ellipsoid of 4,304 voxels, four states, signal and noise alone. Truth of a state: its map minus the
mean of the other states' maps. Maps are read and smoothed here, apart from the code under test.
"""
import math
import os
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from command import Folder, accuracy, at_least, model, results, run
from nifti import volumes_of

LONG = bool(os.environ.get("NOEMA_LONG_TESTS"))
PLAIN = ["--drift", "0", "--spikes", "0", "--hrf-delay-sd", "0", "--hrf-width-sd", "0"]
PARCELS = ["--features", "parcels", "--parcels", "200", "--samples", "blocks"]
SMOOTHING_VOXELS = 1.5  # SD


def simulate(folder, level, seed, *words):
    run("simulate", folder, "--level", level, "--seed", seed, *PLAIN, *words)
    return folder


def decode(data, out, *words):
    run("decode", data, out, "--permutations", "0", "--seeds", "1", *words, timeout=1800)
    return results(out)


def smooth(values, shape):
    """Gaussian along each axis, zero outside of the image."""
    radius = math.ceil(4 * SMOOTHING_VOXELS)
    weights = [math.exp(-0.5 * (o / SMOOTHING_VOXELS) ** 2) for o in range(-radius, radius + 1)]
    step = 1
    for length in shape:
        out = [0.0] * len(values)
        for place, value in enumerate(values):
            if value:
                at = place // step % length
                for o in range(max(-radius, -at), min(radius, length - 1 - at) + 1):
                    out[place + o * step] += weights[o + radius] * value
        values, step = out, step * length
    return values


def correlation(a, b):
    mean_a, mean_b = statistics.fmean(a), statistics.fmean(b)
    a, b = [x - mean_a for x in a], [x - mean_b for x in b]
    products = math.fsum(x * y for x, y in zip(a, b))
    return products / math.sqrt(math.fsum(x * x for x in a) * math.fsum(y * y for y in b))


class Truth:
    def __init__(self, data):
        self.shape, self.maps = volumes_of(data / "ground-truth" / "maps.nii.gz")
        _, (brain,) = volumes_of(data / "ground-truth" / "brain.nii.gz")
        self.voxels = [v for v, inside in enumerate(brain) if inside]

    def of_state(self, k):
        others = [m for i, m in enumerate(self.maps) if i != k]
        return [self.maps[k][v] - sum(m[v] for m in others) / len(others) for v in self.voxels]

    def agreement(self, stem, smoothed=False, positive=False):
        """The mean over states of the correlation with the maps `stem` (with {} for the state)."""
        values = []
        for k in range(len(self.maps)):
            _, (image,) = volumes_of(Path(f"{stem.format(f'state{k + 1}')}_statmap.nii.gz"))
            image = smooth(image, self.shape) if smoothed else image
            truth = self.of_state(k)
            values.append(correlation([image[v] for v in self.voxels], [max(t, 0) for t in truth] if positive else truth))
        return statistics.fmean(values)


def check_chance(folder, seeds, least, *words):
    """Without signal the interval of the balanced accuracy contains chance, in all but a few datasets."""
    covered = 0
    for seed in range(seeds):
        data = simulate(folder / f"noise{seed}", 0, seed, *words)
        found = decode(data, folder / f"noise{seed}-out", "--model", "ridge", *PARCELS, "--no-glm", "--attribution", "gradient")
        score = model(found, "ridge")["balanced_accuracy"]
        covered += score["low"] <= found["chance"] <= score["high"]
        print(f"seed {seed}: {score['mean']:.3f} [{score['low']:.3f}, {score['high']:.3f}]")
    at_least(f"of {seeds} datasets of noise, those whose interval contains chance", covered, least)


def check_parcels(folder, strong, weak):
    words = ["--model", "ridge,long-conv", *PARCELS, "--no-glm", "--attribution", "gradient"]
    found = decode(strong, folder / "parcels", *words)
    assert found["split"]["unit"] == "subject" and found["split"]["folds"] == 8
    at_least("long convolution on parcel blocks, level .27", accuracy(found, "long-conv"), 0.95)
    found = decode(weak, folder / "weak-parcels", *words)
    at_least("ridge on parcel blocks, level .12", accuracy(found, "ridge"), 0.83)
    at_least("long convolution on parcel blocks, level .12", accuracy(found, "long-conv"), 0.83)


def check_volumes(folder, data, models, methods):
    """Models on single volumes, and maps against the truth."""
    out = folder / "volumes"
    found = decode(data, out, "--model", ",".join(models), "--samples", "volumes", "--attribution", ",".join(methods))
    least = {"ridge": 0.93, "cnn3d": 0.90}
    for name in models:
        at_least(f"{name} on volumes, level .27", accuracy(found, name), least[name])
    truth, maps = Truth(data), out / "maps"
    at_least("truth and GLM effect", truth.agreement(f"{maps}/contrast-{{}}_stat-effect"), 0.94)
    at_least("truth and ridge's weights, smoothed", truth.agreement(f"{maps}/desc-ridge_label-{{}}_stat-gradient", True), 0.90)
    if "cnn3d" in models:
        stem = f"{maps}/desc-cnn3d_label-{{}}_stat-"
        at_least("truth and cnn3d's gradient, smoothed", truth.agreement(stem + "gradient", True), 0.88)
        at_least("positive part of truth and cnn3d's integrated gradients, smoothed",
                 truth.agreement(stem + "integratedGradients", True, True), 0.85)


with Folder() as folder:
    strong = simulate(folder / "strong", 0.27, 1)
    weak = simulate(folder / "weak", 0.12, 1)
    check_parcels(folder, strong, weak)
    if LONG:
        check_volumes(folder, strong, ["ridge", "cnn3d"], ["gradient", "integrated-gradients"])
        check_chance(folder, 20, 18)
    else:
        check_volumes(folder, strong, ["ridge"], ["gradient"])
        check_chance(folder, 6, 5, "--shape", "12,14,12")
