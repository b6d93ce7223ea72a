"""Masks, atlases and runs of another grid (--allow-resample), spheres, and motion correction (preprocess --realign)."""
import csv
import gzip
import json
import math
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import tiny_dataset
from command import Folder, run
from nifti import volumes_of

FINE = tuple(2 * n - 1 for n in tiny_dataset.SHAPE)  # every second centre is one of the runs' grid
FINE_VOXELS = [(x, y, z) for z in range(FINE[2]) for y in range(FINE[1]) for x in range(FINE[0])]


def fine(path, volumes, kind="f"):
    tiny_dataset.nifti(path, volumes, kind, shape=FINE, size_mm=1.5)


def table(path):
    with open(path) as file:
        return list(csv.DictReader(file, delimiter="\t"))


def floats(path):
    return struct.unpack_from(f"<{(len(gzip.decompress(path.read_bytes())) - 352) // 4}f",
                              gzip.decompress(path.read_bytes()), 352)


def refused(*words, says, status=1):
    text = run(*words, status=status)[0]
    assert all(str(part) in text for part in says), (says, text)


def head(x, y, z):
    """Millimetres."""
    inside = 1 / (1 + math.exp(12 * (math.sqrt((x / 22) ** 2 + (y / 26) ** 2 + (z / 19) ** 2) - 1)))
    spot = math.exp(-((x - 6) ** 2 + (y - 9) ** 2 + (z - 3) ** 2) / 60) - math.exp(-((x + 8) ** 2 + y * y + z * z) / 50)
    return inside * (600 + 150 * math.sin(x / 5) * math.cos(y / 6) + 120 * math.cos(y / 7 + z / 5) + 250 * spot)


def head_image(path, shifts, shape=(20, 22, 18), size_mm=3.0):
    """The head moved by each shift (mm)."""
    origin = [-size_mm * (n - 1) / 2 for n in shape]
    points = [(origin[0] + size_mm * i, origin[1] + size_mm * j, origin[2] + size_mm * k)
              for k in range(shape[2]) for j in range(shape[1]) for i in range(shape[0])]
    tiny_dataset.nifti(path, [[head(x - a, y - b, z - c) for x, y, z in points] for a, b, c in shifts], shape=shape,
                       size_mm=size_mm, origin=origin)


with Folder() as out:
    data = tiny_dataset.make(out / "data")
    quick = ["--model", "ridge", "--samples", "blocks", "--delay", "4", "--no-glm", "--permutations", "0"]

    # A mask of another grid.
    mask = out / "fine-mask.nii.gz"
    fine(mask, [[int(tiny_dataset.inside(x / 2, y / 2, z / 2)) for x, y, z in FINE_VOXELS]], "B")
    refused("decode", data, out / "x", *quick, "--mask", mask, says=[mask, "preproc_bold", "15×13×7", "8×7×4",
                                                                    "--allow-resample"])
    run("decode", data, out / "masked", *quick, "--mask", mask, "--allow-resample")
    text = (out / "masked/results.json").read_text()
    assert "was resampled (nearest neighbour) from 15×13×7" in text and "Mask of 120 voxels" in text, text[:4000]

    # An atlas of another grid; the region that is half a voxel wide is lost.
    atlas = out / "fine-atlas.nii.gz"
    fine(atlas, [[7 if x == 3 else 3 if x < 7 else 5 for x, y, z in FINE_VOXELS]], "B")
    (out / "fine-atlas.tsv").write_text("index\tname\n3\tleft\n5\tright\n7\tthin\n")
    refused("preprocess", data, out / "x", "--atlas", atlas, says=[atlas, "--allow-resample"])
    warned, _ = run("preprocess", data, out / "regions", "--atlas", atlas, "--allow-resample")
    assert "1 of 3 regions" in warned, warned
    assert [row["features"] for row in table(out / "regions/preprocessing.tsv")] == ["2", "2"]

    # Spheres.
    spheres = out / "spheres.tsv"
    spheres.write_text("name\tx\ty\tz\nfront\t-9\t-1\t-3\nback\t3\t-1\t-3\n")
    run("preprocess", data, out / "spheres", "--spheres", spheres, "--sphere-radius", "3.1")
    assert [row["features"] for row in table(out / "spheres/preprocessing.tsv")] == ["2", "2"]
    refused("preprocess", data, out / "x", "--spheres", spheres, "--sphere-radius", "9", says=["'front'", "'back'"])
    refused("preprocess", data, out / "x", "--spheres", spheres, "--atlas", atlas, "--allow-resample", status=2,
            says=["--spheres and --atlas"])

    # A model sees a run of another grid as the run it came from: the spline meets the voxels that were there.
    run("train", data, out / "models", "--model", "ridge", "--samples", "blocks", "--delay", "4")
    ridge = out / "models/model-ridge.safetensors"
    bold = data / "derivatives/prep/sub-02/func/sub-02_task-look_run-1_space-T_desc-preproc_bold.nii.gz"
    values = floats(bold)
    nx, ny, nz = tiny_dataset.SHAPE
    volumes = [values[t:t + nx * ny * nz] for t in range(0, len(values), nx * ny * nz)]
    other = out / "other/sub-02_task-look_run-1_space-T_desc-preproc_bold.nii.gz"
    fine(other, [[v[x // 2 + nx * (y // 2 + ny * (z // 2))] for x, y, z in FINE_VOXELS] for v in volumes])
    refused("predict", ridge, other, out / "x", says=["15×13×7", "8×7×4", "--allow-resample"])
    run("predict", ridge, bold, out / "same")

    # A model whose regions are medians reads medians.
    run("train", data, out / "median", "--model", "ridge", "--samples", "blocks", "--delay", "4", "--spheres", spheres,
        "--sphere-radius", "3.1", "--region-statistic", "median")
    run("predict", out / "median/model-ridge.safetensors", bold, out / "by-median")
    steps = json.loads(next((out / "by-median").rglob("*_predictions.json")).read_text())["Preprocessing"]
    assert any("parcels (median over voxels)" in step for step in steps), steps
    refused("preprocess", data, out / "x", "--features", "voxels", "--region-statistic", "sum", says=["the sum was", "voxels"])

    run("predict", ridge, other, out / "resampled", "--allow-resample")
    name = "sub-02/func/sub-02_task-look_run-1_desc-ridge_predictions"
    expected, found = table(out / f"same/{name}.tsv"), table(out / f"resampled/{name}.tsv")
    assert len(found) == len(expected) > 50
    assert all(abs(float(a["score_face"]) - float(b["score_face"])) < 2e-3 for a, b in zip(expected, found))
    steps = json.loads((out / f"resampled/{name}.json").read_text())["Preprocessing"]
    assert any(step.startswith("Resampled by cubic B-splines from 15×13×7") for step in steps), steps
    assert not any("Resampled" in s for s in json.loads((out / f"same/{name}.json").read_text())["Preprocessing"])

    # Runs on another grid: of another voxel size, and of an image.
    finer = out / "finer"
    run("preprocess", data, finer, "--resample", "1.5")
    func = finer / "sub-01/func"
    stem = "sub-01_task-look_run-1_space-T_res-1p5"
    shape, volumes = volumes_of(func / f"{stem}_desc-preproc_bold.nii.gz")
    assert tuple(shape) == FINE, shape
    recorded = data / "derivatives/prep/sub-01/func/sub-01_task-look_run-1_space-T_desc-preproc_bold.nii.gz"
    own_mask = Path(str(recorded).replace("preproc_bold", "brain_mask"))
    before = volumes_of(recorded)[1]
    highest = max(map(max, before))
    assert len(volumes) == len(before) and max(map(max, volumes)) > 1.001 * highest  # splines overshoot at the edge
    run("preprocess", data, out / "clipped", "--resample", "1.5", "--clip")
    clipped = volumes_of(out / "clipped/sub-01/func" / f"{stem}_desc-preproc_bold.nii.gz")[1]
    assert all(abs(a - min(b, highest)) < 1e-3 * highest for a, b in zip(clipped[9], volumes[9]) if b >= 0)
    assert max(map(max, clipped)) <= highest
    for x, y, z in ((0, 0, 0), (3, 2, 1), (5, 4, 2)):  # centres of old voxels keep their values
        old, new = x + 8 * (y + 7 * z), 2 * x + 15 * (2 * y + 13 * 2 * z)
        assert abs(volumes[9][new] - before[9][old]) < 1e-3 * max(before[9]), (x, y, z)
    masks = volumes_of(func / f"{stem}_desc-brain_mask.nii.gz")[1][0]
    assert set(masks) == {0, 1} and sum(masks) > 4 * sum(volumes_of(own_mask)[1][0])
    assert json.loads((func / f"{stem}_desc-preproc_bold.json").read_text())["Interpolation"] == "cubic"
    run("preprocess", data, out / "of-finer", "--derivatives", finer, "--features", "voxels", "--high-pass", "none")
    assert {row["features"] for row in table(out / "of-finer/preprocessing.tsv")} == {str(int(sum(masks)))}
    back = out / "back"
    run("preprocess", data, back, "--derivatives", finer, "--resample", own_mask, "--interpolation", "nearest")
    found = volumes_of(back / "sub-01/func/sub-01_task-look_run-1_space-T_desc-preproc_bold.nii.gz")[1]
    assert max(abs(a - b) for a, b in zip(found[9], before[9])) < 1e-3 * max(before[9])
    refused("preprocess", data, out / "x", "--resample", "two", status=2, says=["--resample", "'two'"])
    refused("preprocess", data, out / "x", "--clip", status=2, says=["--resample"])

    # Motion correction of a recorded run, and its way to a template.
    raw = out / "raw"
    (raw / "sub-01/func").mkdir(parents=True)
    (raw / "dataset_description.json").write_text(json.dumps({"Name": "raw", "BIDSVersion": "1.9.0"}))
    shifts = [(0.3 * t, -0.5 * (t % 2), 1.2 if t == 4 else 0.0) for t in range(6)]
    head_image(raw / "sub-01/func/sub-01_task-rest_bold.nii.gz", shifts)
    (raw / "sub-01/func/sub-01_task-rest_bold.json").write_text(json.dumps({"RepetitionTime": 2.0}))
    refused("preprocess", raw, out / "x", "--template", mask, status=2, says=["--realign"])
    run("preprocess", raw, out / "still", "--realign")
    func = out / "still/sub-01/func"
    rows = table(func / "sub-01_task-rest_desc-confounds_timeseries.tsv")
    assert list(rows[0]) == ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z", "framewise_displacement"]
    for t in range(1, 6):
        for a, axis in enumerate("xyz"):
            moved = float(rows[t][f"trans_{axis}"]) - float(rows[0][f"trans_{axis}"])
            assert abs(moved - (shifts[t][a] - shifts[0][a])) < 0.05, (t, axis, moved)
            assert abs(float(rows[t][f"rot_{axis}"]) - float(rows[0][f"rot_{axis}"])) < 0.05 * math.pi / 180
    assert rows[0]["framewise_displacement"] == "n/a" and abs(float(rows[1]["framewise_displacement"]) - 0.8) < 0.15
    lines = (func / "sub-01_task-rest_desc-motion_xfm.txt").read_text().splitlines()
    transforms = [[float(number) for number in line.split()] for line in lines if not line.startswith("#")]
    assert len(transforms) == 6 and all(len(transform) == 12 for transform in transforms)
    # The middle of the grid is 0, so the last column of a transform is the translation.
    assert all(abs(transforms[t][3] - float(rows[t]["trans_x"])) < 1e-5 for t in range(6))
    sidecar = json.loads((func / "sub-01_task-rest_desc-preproc_bold.json").read_text())
    assert sidecar["RepetitionTime"] == 2 and sidecar["Sources"][0].endswith("sub-01_task-rest_bold.nii.gz")
    size = 20 * 22 * 18
    before, after = floats(raw / "sub-01/func/sub-01_task-rest_bold.nii.gz"), floats(
        func / "sub-01_task-rest_desc-preproc_bold.nii.gz")
    centre = [10 + i + 20 * (11 + j + 22 * (9 + k)) for i in range(-4, 4) for j in range(-4, 4) for k in range(-3, 3)]
    change = [sum(abs(v[4 * size + c] - v[c]) for c in centre) for v in (before, after)]
    assert change[1] < 0.2 * change[0], change
    # Other commands take it.
    run("preprocess", raw, out / "series", "--derivatives", out / "still", "--features", "parcels", "--parcels", "5",
        "--confounds", "formula: trans_x + trans_y", "--high-pass", "none")
    assert [row["features"] for row in table(out / "series/preprocessing.tsv")] == ["5"]

    template = out / "tpl-Made_T1w.nii.gz"
    head_image(template, [(4, -3, 2)], shape=(24, 24, 22), size_mm=2.5)
    run("preprocess", raw, out / "laid", "--realign", "--template", template)
    func = out / "laid/sub-01/func"
    lines = (func / "sub-01_task-rest_from-Made_to-boldref_xfm.txt").read_text().splitlines()
    affine = [float(number) for number in lines[-1].split()]
    place = [affine[4 * r] * 4 + affine[4 * r + 1] * -3 + affine[4 * r + 2] * 2 + affine[4 * r + 3] for r in range(3)]
    middle = [sum(float(rows[t][f"trans_{axis}"]) - shifts[t][a] for t in range(6)) / 6 for a, axis in enumerate("xyz")]
    assert max(abs(place[a] + middle[a]) for a in range(3)) < 0.6, (place, middle)  # the head's middle in the mean image
    mean = floats(func / "sub-01_task-rest_space-Made_boldref.nii.gz")
    wanted = floats(template)
    assert len(mean) == len(wanted) == 24 * 24 * 22
    inner = [i + 24 * (j + 24 * k) for i in range(6, 18) for j in range(6, 18) for k in range(6, 16)]
    error = sum(abs(mean[v] - wanted[v]) for v in inner) / sum(wanted[v] for v in inner)
    assert error < 0.05, error
