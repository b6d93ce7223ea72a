"""A tiny dataset for connectivity: `tiny_dataset` with motion, an atlas, and a label for half of the subjects."""
import math
import random

import tiny_dataset
from tiny_dataset import SHAPE, VOXELS, inside

MOTION = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]
NAMES = {2: "left", 5: "middle", 6: "right", 9: "away"}


def label(x, y, z):
    """Region 9 lies outside of the brain, region 6 partly; what is inside at y = 5 has none."""
    if x == 0:
        return 9
    if y == 5 or (y == 0 and x < 4):
        return 0
    return 2 if x == 1 else 5 if x < 4 else 6


def labelled_voxels():
    return [v for v in VOXELS if inside(*v) and label(*v)]


def confounds(place, seed, volumes, cosines=0):
    """Slow drifts with noise; full precision."""
    chance = random.Random(seed)
    columns = {}
    for c, name in enumerate(MOTION):
        size = 1.0 if c < 3 else 0.02
        phase = chance.random()
        columns[name] = [size * (math.sin(0.05 * (c + 1) * t + 6 * phase) + 0.5 * chance.gauss(0, 1))
                         for t in range(volumes)]
    columns["framewise_displacement"] = [float("nan")] + [
        sum(abs(columns[name][t] - columns[name][t - 1]) * (1 if name[0] == "t" else 50) for name in MOTION)
        for t in range(1, volumes)]
    for k in range(cosines):
        columns[f"cosine{k:02}"] = [math.cos(math.pi * (k + 1) * (t + 0.5) / volumes) for t in range(volumes)]
    rows = ["\t".join(columns)] + ["\t".join("n/a" if values[t] != values[t] else repr(values[t])
                                            for values in columns.values()) for t in range(volumes)]
    place.write_text("\n".join(rows) + "\n")


def make(root, subjects=("01", "02", "03", "04", "05", "06"), seed=1, cosines=0, **options):
    tiny_dataset.make(root, subjects=subjects, seed=seed, **options)
    people = ["participant_id\tgroup"]
    for s, subject in enumerate(subjects):
        people.append(f"sub-{subject}\t{'ab'[s % 2]}")
        place = root / "derivatives" / "prep" / f"sub-{subject}" / "func"
        for bold in sorted(place.glob("*_bold.nii.gz")):
            stem = bold.name.split("_space-")[0]
            volumes = 10 * options.get("blocks", 5) * 2 + 4
            confounds(place / f"{stem}_desc-confounds_timeseries.tsv", f"{seed} {stem}", volumes, cosines)
    (root / "participants.tsv").write_text("\n".join(people) + "\n")
    return root


def atlas(path):
    tiny_dataset.nifti(path, [[label(*v) for v in VOXELS]], "B")
    path.with_name(path.name.replace(".nii.gz", ".tsv")).write_text(
        "index\tname\n" + "".join(f"{index}\t{name}\n" for index, name in NAMES.items()))
    return path
