"""The parcels of examples/workflows/parcels.toml: diagonal bands were planted, geometric parcels cut across them, and
learned ones find them on subjects that were not seen."""
import itertools
import json
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from command import Folder, ROOT, at_least, run
from nifti import volumes_of
from tiny_dataset import TR, nifti

SHAPE, BANDS, VOLUMES, NOISE = (12, 10, 4), 5, 100, 2.0
VOXELS = [(x, y, z) for z in range(SHAPE[2]) for y in range(SHAPE[1]) for x in range(SHAPE[0])]


def inside(x, y, z):
    return 1 <= x <= 10 and 1 <= y <= 8


def band(x, y, z):
    return min(BANDS - 1, max(0, (x + y - 2) // 4))


def dataset(root, subjects=6):
    """A voxel: the series of its band, SD 1, and noise of its own, SD 2."""
    out = root / "derivatives" / "prep"
    for folder, more in ((root, {}), (out, {"DatasetType": "derivative"})):
        folder.mkdir(parents=True)
        (folder / "dataset_description.json").write_text(json.dumps({"Name": "bands", "BIDSVersion": "1.9.0", **more}))
    for subject in range(1, subjects + 1):
        chance = random.Random(f"1 {subject}")
        own = [[chance.gauss(0, 1) for _ in range(VOLUMES)] for _ in range(BANDS)]
        volumes = [[500 + own[band(*v)][t] + NOISE * chance.gauss(0, 1) if inside(*v) else 0.0 for v in VOXELS]
                   for t in range(VOLUMES)]
        stem = out / f"sub-{subject:02}" / "func" / f"sub-{subject:02}_task-rest_space-T_desc-"
        nifti(stem.with_name(stem.name + "preproc_bold.nii.gz"), volumes, shape=SHAPE)
        nifti(stem.with_name(stem.name + "brain_mask.nii.gz"), [[int(inside(*v)) for v in VOXELS]], "B", shape=SHAPE)
        stem.with_name(stem.name + "preproc_bold.json").write_text(json.dumps({"RepetitionTime": TR}))
    return root


def losses(folder):
    rows = [line.split("\t") for line in (folder / "losses.tsv").read_text().splitlines()]
    return {row[0]: dict(zip(rows[0][1:], map(float, row[1:]))) for row in rows[1:]}


with Folder() as out:
    data = dataset(out / "data")
    workflow = out / "parcels.toml"
    text = (ROOT / "examples" / "workflows" / "parcels.toml").read_text()
    assert "parcels = 40" in text
    workflow.write_text(text.replace("parcels = 40", f"parcels = {BANDS}"))
    run("fit-connectome", data, out / "fit", "--workflow", workflow)
    homogeneity = {key: 1 - value for key, value in losses(out / "fit")["homogeneity of parcellate"].items()}
    truth = 1 / (1 + NOISE ** 2)  # the correlation of two voxels of a band
    at_least("the bands' homogeneity less that of geometric parcels", truth - homogeneity["held_out_fixed"], 0.08)
    at_least("homogeneity of held-out subjects", homogeneity["held_out_learned"], 0.16)
    parcels = volumes_of(out / "fit" / "maps" / "desc-parcellate_stat-parcel_statmap.nii.gz")[1][0]
    pairs = [(band(*v), int(parcel) - 1) for v, parcel in zip(VOXELS, parcels) if inside(*v)]
    right = max(sum(names[parcel] == true for true, parcel in pairs)
                for names in itertools.permutations(range(BANDS))) / len(pairs)
    at_least("share of voxels in their band", right, 0.65)
