"""A trained workflow on new data, and what its model file expects of them: regions, confounds, space, repetition time."""
import json
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import tiny_regions
from command import Folder, results, run
from damage import files
from nifti import volumes_of
from tiny_dataset import VOXELS, inside

LEARNED = """
[training]
epochs = 3
target = "group"
[[block]]
type = "detrend"
[[block]]
type = "regress"
combinations = 2
learn = true
[[block]]
name = "parcels"
type = "parcellate"
learn = true
[[block]]
type = "standardise"
[[block]]
type = "covariance"
[[block]]
type = "correlation"
[[block]]
type = "vectorise"
[[block]]
type = "readout"
[[block]]
name = "halves"
type = "parcellate"
input = "parcels"
start = "random"
parcels = 2
learn = true
[[block]]
name = "between halves"
type = "covariance"
[[loss]]
type = "cross-entropy"
[[loss]]
type = "homogeneity"
of = "parcels"
"""


def table(path):
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    return [dict(zip(rows[0], row)) for row in rows[1:]]


def matrix(path):
    return [[float(cell) for cell in line.split("\t")[1:]] for line in path.read_text().splitlines()[1:]]


def largest_difference(a, b):
    return max(abs(x - y) for row, other in zip(a, b) for x, y in zip(row, other))


def refused(*words, says, status=1):
    errors, _ = run(*words, status=status)
    for part in says:
        assert str(part) in errors, (part, errors)


with Folder() as out:
    data = tiny_regions.make(out / "data", runs=1, cosines=1)
    atlas = tiny_regions.atlas(out / "atlas.nii.gz")
    workflow = out / "learned.toml"
    workflow.write_text(LEARNED)
    confounds = ["--confounds", "motion=basic,high_pass", "--atlas", atlas]
    errors, _ = run("fit-connectome", data, out / "fit", "--workflow", workflow, *confounds)
    assert "1 of 4 regions" in errors and "away" in errors, "a region outside of the brain is not warned of"
    model = out / "fit" / "model-workflow.safetensors"

    # Voxels outside of the brain, and those without a label, are of no parcel.
    expected = tiny_regions.labelled_voxels()
    info = json.loads(run("info", model, "--json")[1])
    assert info["contract"]["feature_count"] == len(expected) < sum(map(bool, (inside(*v) for v in VOXELS)))
    assert info["metadata"]["workflow"]["input"]["confound_names"] == ["cosine00"] + sorted(tiny_regions.MOTION), info
    parcels = volumes_of(out / "fit" / "maps" / "desc-parcels_stat-parcel_statmap.nii.gz")[1][0]
    assert [v for v, parcel in zip(VOXELS, parcels) if parcel > 0] == expected

    # Regions of each branch: names of the labels they began with, or numbers; centres of the voxels.
    regions = table(out / "fit" / "regions_parcels.tsv")
    assert [row["name"] for row in regions] == ["left", "middle", "right"]
    for k, row in enumerate(regions):
        places = [v for v, parcel in zip(VOXELS, parcels) if parcel == k + 1]
        assert int(row["voxels"]) == len(places)
        for axis, (name, origin) in enumerate((("x_mm", -12), ("y_mm", -10), ("z_mm", -6))):
            centre = origin + 3 * sum(v[axis] for v in places) / len(places)
            assert abs(float(row[name]) - centre) < 1e-3, (row, centre)
    halves = table(out / "fit" / "regions.tsv")
    assert [row["name"] for row in halves] == ["parcel-001", "parcel-002"]
    assert sum(int(row["voxels"]) for row in halves) == len(expected)

    # On its own data a trained workflow gives what the training wrote; the files are those of the plain command.
    run("connectome", data, out / "again", "--workflow", model)
    found = results(out / "again")
    assert found["command"] == "connectome"
    for file in found["files"]:
        assert (out / "again" / file).exists(), file
    for group in ("group_stat-correlation_relmat.tsv", "group_stat-betweenHalves_relmat.tsv"):
        difference = largest_difference(matrix(out / "fit" / "group" / group), matrix(out / "again" / "group" / group))
        assert difference < 1e-9, (group, difference)
    runs = [matrix(out / "again" / f"sub-{s:02}" / "func" / f"sub-{s:02}_task-look_run-1_stat-correlation_relmat.tsv")
            for s in range(1, 7)]
    mean = [[sum(m[i][j] for m in runs) / 6 for j in range(3)] for i in range(3)]
    assert largest_difference(mean, matrix(out / "again" / "group" / "group_stat-correlation_relmat.tsv")) < 1e-9
    scores = table(out / "again" / "scores.tsv")
    assert [row["subject"] for row in scores] == [f"{s:02}" for s in range(1, 7)]
    for row in scores:
        assert abs(float(row["probability_a"]) + float(row["probability_b"]) - 1) < 1e-6
        assert row["predicted"] == ("a" if float(row["probability_a"]) > 0.5 else "b")
    assert "by a trained workflow" in (out / "again" / "report.html").read_text()

    # New data; nothing of the training is needed.
    new = tiny_regions.make(out / "new", subjects=("11",), seed=2, runs=1, cosines=1)
    run("connectome", new, out / "of-new", "--workflow", model)
    one = matrix(out / "of-new" / "group" / "group_stat-correlation_relmat.tsv")
    assert largest_difference(one, runs[0]) > 1e-3
    kept = table(out / "of-new" / "regions_parcels.tsv")
    assert kept == regions

    # Another space, repetition time or other confounds are refused; nothing is written but logs.
    other = out / "other-space"
    shutil.copytree(new, other)
    for file in sorted(other.rglob("*_space-T_*")):
        file.rename(file.with_name(file.name.replace("_space-T_", "_space-U_")))
    refused("connectome", other, out / "refused", "--workflow", model, says=["found space U, expected T"])
    slow = tiny_regions.make(out / "slow", subjects=("11",), runs=1, cosines=1, tr=2.5)
    refused("connectome", slow, out / "refused", "--workflow", model, says=["found a TR of 2.5 s, expected 2 s"])
    more = tiny_regions.make(out / "more", subjects=("11",), runs=1, cosines=2)
    refused("connectome", more, out / "refused", "--workflow", model,
            says=["found 8 (cosine00, cosine01, rot_x", "expected 7 (cosine00, rot_x"])
    left = {file for file in files(out / "refused") if file.endswith((".tsv", ".html", "connectome.h5", "results.json"))}
    assert not left, left
    refused("connectome", new, out / "refused", "--workflow", model, "--atlas", atlas, status=2,
            says=["--atlas: found it beside --workflow"])
    refused("connectome", new, out / "refused", "--workflow", model, "--kind", "tangent", status=2, says=["--kind"])
    run("decode", data, out / "decode", "--model", "ridge", "--permutations", "0", "--no-glm", "--attribution", "gradient",
        "--delay", "4")
    ridge = out / "decode" / "model-ridge.safetensors"
    refused("connectome", new, out / "refused", "--workflow", ridge, status=2,
            says=[ridge, "kind 'ridge'", "expected a workflow"])
