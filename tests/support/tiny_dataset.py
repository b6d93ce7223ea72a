"""A small labelled BIDS dataset, written without any library: preprocessed runs with masks, confounds and events."""
import gzip
import json
import random
import struct

SHAPE = (8, 7, 4)
TR = 2.0


def nifti(path, volumes, kind="f", shape=SHAPE, size_mm=3.0, origin=(-12, -10, -6)):
    """Volumes are lists of values, x fastest; cubic voxels; `kind` is f (float32) or B (uint8)."""
    code, bits = {"f": (16, 32), "B": (2, 8)}[kind]
    count = len(volumes)
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 4 if count > 1 else 3, *shape, count, 1, 1, 1)
    struct.pack_into("<2h", header, 70, code, bits)
    struct.pack_into("<8f", header, 76, 1, size_mm, size_mm, size_mm, TR, 0, 0, 0)
    struct.pack_into("<f", header, 108, 352)
    struct.pack_into("<2f", header, 112, 1, 0)
    header[123] = 2 + 8  # mm, s
    struct.pack_into("<2h", header, 252, 0, 4)
    for row in range(3):
        struct.pack_into("<4f", header, 280 + 16 * row, *[size_mm * (row == c) for c in range(3)], origin[row])
    header[344:348] = b"n+1\0"
    data = b"".join(struct.pack(f"<{len(v)}{kind}", *v) for v in volumes)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(bytes(header) + data, 1))


def inside(x, y, z):
    return 1 <= x <= 6 and 1 <= y <= 5


VOXELS = [(x, y, z) for z in range(SHAPE[2]) for y in range(SHAPE[1]) for x in range(SHAPE[0])]


def make(root, subjects=("01", "02"), labels=("face", "house"), blocks=5, signal=2.5, delay=4, seed=1, runs=1, tr=TR):
    """Blocks of 6 volumes with 4 volumes of rest; label k raises the voxels with x = 1 + 2k, `delay` seconds later."""
    root.mkdir(parents=True)
    (root / "dataset_description.json").write_text(json.dumps({"Name": "tiny", "BIDSVersion": "1.9.0"}))
    out = root / "derivatives" / "prep"
    out.mkdir(parents=True)
    (out / "dataset_description.json").write_text(
        json.dumps({"Name": "prep", "BIDSVersion": "1.9.0", "DatasetType": "derivative"}))
    for subject in subjects:
        for run in range(1, runs + 1):
            chance = random.Random(f"{seed} {subject} {run}")
            order = [k for _ in range(blocks) for k in chance.sample(range(len(labels)), len(labels))]
            count = 10 * len(order) + 4
            when = [-1] * count
            rows = ["onset\tduration\ttrial_type"]
            for b, k in enumerate(order):
                rows.append(f"{b * 10 * tr}\t{6 * tr}\t{labels[k]}")
                for t in range(10 * b + int(delay / tr), min(count, 10 * b + int(delay / tr) + 6)):
                    when[t] = k
            name = f"sub-{subject}_task-look_run-{run}"
            func = root / f"sub-{subject}" / "func"
            func.mkdir(parents=True, exist_ok=True)
            (func / f"{name}_events.tsv").write_text("\n".join(rows) + "\n")
            volumes = [[(500 + (signal if when[t] >= 0 and x == 1 + 2 * when[t] else 0) + chance.gauss(0, 1))
                        if inside(x, y, z) else 0.0 for x, y, z in VOXELS] for t in range(count)]
            place = out / f"sub-{subject}" / "func"
            stem = f"{name}_space-T_desc"
            nifti(place / f"{stem}-preproc_bold.nii.gz", volumes)
            nifti(place / f"{stem}-brain_mask.nii.gz", [[int(inside(*v)) for v in VOXELS]], "B")
            (place / f"{stem}-preproc_bold.json").write_text(json.dumps({"RepetitionTime": tr}))
    return root
