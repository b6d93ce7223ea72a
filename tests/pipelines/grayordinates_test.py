"""Runs of grayordinates (CIFTI) go through decode and glm as volumes do, from fMRIPrep's and the HCP's folders."""
import json
import math
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import tiny_grayordinates as tiny
from command import Folder, accuracy, results, run

QUICK = ["--model", "ridge", "--permutations", "0", "--attribution", "gradient"]


def refuses(status, *words, says):
    errors, _ = run(*words, status=status)
    for text in says:
        assert text in errors, f"expected '{text}' in: {errors}"


def mean(values):
    return sum(values) / len(values)


def halves(path):
    """Mean of a map over the left and over the right cortex."""
    values = [row[0] for row in tiny.values_of(path)]
    left, right = len(tiny.SHOWN["LEFT"]), len(tiny.SHOWN["RIGHT"])
    return mean(values[:left]), mean(values[left:left + right])


def roughness(path):
    """Mean square of the step between neighbours of the left cortex."""
    values = dict(zip(tiny.SHOWN["LEFT"], (row[0] for row in tiny.values_of(path))))
    steps = [(values[a] - values[b]) ** 2 for a, b, _ in tiny.LEFT[1] if a in values and b in values]
    return mean(steps)


with Folder() as out:
    bids = tiny.make_bids(out / "bids")
    meshes = [tiny.gifti(out / "L.surf.gii", tiny.LEFT, "Left"), tiny.gifti(out / "R.surf.gii", tiny.RIGHT, "Right")]

    run("decode", bids, out / "a", *QUICK, "--surface", *meshes)
    found = results(out / "a")
    assert found["space"] == "fsLR", found["space"]
    assert accuracy(found, "ridge") > 0.8, found["models"]
    maps = sorted((out / "a" / "maps").iterdir())
    assert maps and all(path.name.endswith(".dscalar.nii") for path in maps), maps
    left, right = halves(out / "a" / "maps" / "desc-ridge_label-rh_stat-pattern_statmap.dscalar.nii")
    assert left > 0 > right, (left, right)
    left, right = halves(out / "a" / "maps" / "contrast-lh_stat-t_statmap.dscalar.nii")
    assert right > 0 > left, (left, right)
    info = json.loads(run("info", maps[0], "--json")[1])
    assert info["kind"] == "dscalar" and info["shape"] == [1, tiny.COUNT], info
    assert (out / "a" / "sub-01" / "func" / "sub-01_desc-mean_boldref.dscalar.nii").exists()
    page = (out / "a" / "report.html").read_text()
    assert page.count("left, outside") == len(found["maps"]) and "right, middle" in page
    run("report", out / "a")
    assert (out / "a" / "report.html").read_text() == page

    # A kept model knows its grayordinates, and finished subjects are reused.
    messages, _ = run("decode", bids, out / "a", *QUICK, "--no-glm")
    assert "3 of 3 subjects were finished before" in messages, messages
    assert "--surface" in (out / "a" / "report.html").read_text()
    run("predict", out / "a" / "models" / "model-ridge.safetensors" if (out / "a" / "models").exists()
        else next((out / "a").rglob("model-ridge.safetensors")), bids, out / "predicted")

    # Regions of a dlabel atlas that lists the medial walls, too.
    run("decode", bids, out / "b", *QUICK, "--no-glm", "--atlas", tiny.atlas(out / "halves.dlabel.nii"))
    assert accuracy(results(out / "b"), "ridge") > 0.9
    series = json.loads(run("info", out / "b" / "sub-01" / "func" / "sub-01_desc-series_bold.h5", "--json")[1])
    assert series["feature_names"] == ["left", "right"], series

    run("glm", bids, out / "glm")
    contrasts = {entry["name"]: entry for entry in results(out / "glm")["contrasts"]}
    assert contrasts["lh"]["max"]["t"] > 3, contrasts

    # Folders of the HCP, with the states of its table as labels and movement as confounds.
    hcp = tiny.make_hcp(out / "hcp")
    run("decode", hcp, out / "c", *QUICK, "--no-glm", "--confounds", "motion=derivatives")
    found = results(out / "c")
    assert found["labels"] == ["lh", "rh"] and found["subjects"] == ["100307", "100408"], found["labels"]
    assert accuracy(found, "ridge") > 0.8, found["models"]

    # The windows of the HCP: of blocks of 6 volumes from volume 10 b on those from 10 b + 1 to 10 b + 8, one sample each.
    run("decode", hcp, out / "w", *QUICK, "--windows", "hcp")
    found = results(out / "w")
    assert found["method"]["sample_unit"] == "volume" and found["method"]["delay_rule"] == "hcp", found["method"]
    assert not any("they were moved" in note for note in found["method"]["glm"]), found["method"]["glm"]
    lines = (out / "w" / "predictions.tsv").read_text().splitlines()
    columns = lines[0].split("\t")
    rows = [row for row in (dict(zip(columns, line.split("\t"))) for line in lines[1:]) if row["model"] == "ridge"]
    blocks = {}
    for row in rows:
        key = row["run"], float(row["block_onset"])
        blocks.setdefault(key, []).append(row["truth"])
    merged = []  # blocks of one label that follow each other are 2 volumes apart, so none are
    for direction in ("LR", "RL"):
        for subject in ("100307", "100408"):
            events = tiny.series(f"{subject} {direction}")[1]
            merged += [(onset + tiny.TR, label) for onset, _, label in events]
    assert sorted((onset, truth[0]) for (_, onset), truth in blocks.items()) == sorted(merged), blocks
    assert all(len(truth) == 8 and len(set(truth)) == 1 for truth in blocks.values()), blocks
    assert accuracy(found, "ridge") > 0.6, found["models"]
    run("evaluate", out / "w" / "model-ridge.safetensors", hcp, out / "again", "--allow-leakage")
    assert results(out / "again")["method"]["delay_rule"] == "hcp", results(out / "again")["method"]
    refuses(2, "decode", hcp, out / "d", *QUICK, "--windows", "hcp", "--delay", "4", says=["--windows", "--delay"])
    refuses(2, "decode", hcp, out / "d", *QUICK, "--windows", "hcp", "--samples", "trials", says=["--samples trials"])

    # Smoothing goes along the meshes, which a model and a kept subject remember.
    smooth = ["--fwhm", "30", "--surface", *meshes]
    refuses(2, "decode", bids, out / "d", *QUICK, "--fwhm", "4", says=["--fwhm", "no mesh of CORTEX_LEFT", "--surface"])
    refuses(2, "glm", bids, out / "d", "--fwhm", "4", "--surface", meshes[0], says=["no mesh of CORTEX_RIGHT"])
    run("decode", bids, out / "s", *QUICK, "--no-glm", *smooth)
    assert any("30 mm FWHM" in step and "along the cortex" in step
               for step in results(out / "s")["method"]["preprocessing"]), results(out / "s")["method"]
    picture = "sub-01/func/sub-01_desc-mean_boldref.dscalar.nii"
    assert tiny.values_of(out / "s" / picture) == tiny.values_of(out / "a" / picture)  # a picture, before smoothing
    model = out / "s" / "model-ridge.safetensors"
    refuses(1, "predict", model, bids, out / "d", says=["--surface"])
    other = tiny.gifti(out / "other.surf.gii", tiny.sphere((45, -20, 20), radius=41), "Right")
    refuses(1, "predict", model, bids, out / "d", "--surface", meshes[0], other, says=["not those that the model"])
    run("predict", model, bids, out / "d", "--surface", *meshes)
    messages, _ = run("decode", bids, out / "s", *QUICK, "--no-glm", "--fwhm", "30", "--surface", meshes[0], other)
    assert "the preprocessing options changed" in messages, messages
    run("glm", bids, out / "smooth-glm", *smooth)
    rough, soft = (roughness(out / folder / "maps" / "contrast-lh_stat-effect_statmap.dscalar.nii")
                   for folder in ("glm", "smooth-glm"))
    assert 0 < soft < rough / 2, (soft, rough)
    # Maps are compared after smoothing along the meshes, and drawn on them.
    chance = random.Random(3)
    whole = {side: [chance.gauss(0, 1) if v in shown else math.nan for v in range(tiny.VERTICES)]
             for side, shown in ((side, set(tiny.SHOWN[side])) for side in ("LEFT", "RIGHT"))}
    softened = {"LEFT": tiny.smoothed(tiny.LEFT, whole["LEFT"], 25), "RIGHT": tiny.smoothed(tiny.RIGHT, whole["RIGHT"], 25)}
    listed = [(side, v) for side in ("LEFT", "RIGHT") for v in tiny.SHOWN[side]]
    none = [0.0] * len(tiny.VOXELS)
    first = tiny.dscalar(out / "first.dscalar.nii", [whole[side][v] for side, v in listed] + none)
    second = tiny.dscalar(out / "second.dscalar.nii", [softened[side][v] for side, v in listed] + none)
    words = ["compare", first, second, "--part", "signed", "--json"]
    rough = json.loads(run(*words)[1])["pearson"]
    alike = json.loads(run(*words, "--fwhm", "25", "--surface", *meshes)[1])["pearson"]
    assert rough < 0.8 and 0.999999 < alike <= 1, (rough, alike)
    run("compare", first, second, out / "compared", "--fwhm", "25", "--surface", *meshes)
    assert (out / "compared" / "report.html").read_text().count("left, outside") == 2
    refuses(2, *words, "--fwhm", "25", "--surface", meshes[0], says=["no mesh of CORTEX_RIGHT"])

    refuses(2, "decode", bids, out / "d", *QUICK, "--features", "parcels", says=["--atlas", "dlabel"])
    small = tiny.atlas(out / "small.dlabel.nii", total=500)
    refuses(1, "decode", bids, out / "d", *QUICK, "--atlas", small, says=["500", str(tiny.VERTICES), "same mesh"])
    refuses(2, "decode", bids, out / "d", *QUICK, "--surface", meshes[0], meshes[0], says=["second mesh", "CORTEX_LEFT"])
    run("simulate", out / "volumes", "--subjects", "1", "--shape", "8,9,8")
    mask = next((out / "volumes").rglob("*desc-brain_mask.nii.gz"))
    refuses(1, "decode", bids, out / "d", *QUICK, "--mask", mask, "--allow-resample", says=["cannot be resampled"])
    refuses(2, "searchlight", bids, out / "d", "--space", "fsLR", says=["grayordinates", "voxels"])
    refuses(2, "decode", hcp, out / "e", *QUICK, "--session", "01", says=["--session", "HCP"])
