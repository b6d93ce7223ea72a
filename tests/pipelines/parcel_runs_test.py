"""Runs of parcels (ptseries) go through decode as their grayordinates would with the same parcels as an atlas."""
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import tiny_grayordinates as tiny
from command import Folder, accuracy, results, run

QUICK = ["--model", "ridge", "--permutations", "0", "--attribution", "gradient"]
NAMES = list(tiny.PARCELS)
PATTERN = "desc-ridge_label-rh_stat-pattern_statmap"


def refuses(status, *words, says):
    errors, _ = run(*words, status=status)
    for text in says:
        assert text in errors, f"expected '{text}' in: {errors}"


def features_of(folder):
    return json.loads(run("info", folder / "sub-01" / "func" / "sub-01_desc-series_bold.h5", "--json")[1])["feature_names"]


with Folder() as out:
    parcels = tiny.make_bids(out / "parcels", parcels=NAMES)
    dense = tiny.make_bids(out / "dense")
    meshes = [tiny.gifti(out / "L.surf.gii", tiny.LEFT, "Left"), tiny.gifti(out / "R.surf.gii", tiny.RIGHT, "Right")]
    run("decode", parcels, out / "p", *QUICK, "--surface", *meshes)
    run("decode", dense, out / "d", *QUICK, "--atlas", tiny.slices(out / "slices.dlabel.nii"))
    found, wanted = results(out / "p"), results(out / "d")
    assert found["space"] == "fsLR" and accuracy(found, "ridge") > 0.8, found["models"]
    assert features_of(out / "p") == features_of(out / "d") == NAMES
    for name in ("ridge", "majority"):
        assert accuracy(found, name) == accuracy(wanted, name), name
    lines = [(out / folder / "predictions.tsv").read_text().splitlines() for folder in "pd"]
    assert len(lines[0]) > 20 and lines[0] == lines[1], "predictions differ"

    # Maps are of parcels, each with its own value, and are drawn on the meshes.
    path = out / "p" / "maps" / f"{PATTERN}.pscalar.nii"
    values = [row[0] for row in tiny.values_of(path)]
    assert len(values) == len(NAMES) == 12 and len(set(values)) == 12, values
    assert min(values[:6]) > 0 > max(values[6:]), values
    everywhere = [row[0] for row in tiny.values_of(out / "d" / "maps" / f"{PATTERN}.dscalar.nii")]
    places = [(side, v) for side in ("LEFT", "RIGHT") for v in tiny.SHOWN[side]]
    for (side, v), value in zip(places, everywhere):
        own = values[NAMES.index(f"{side}{v % 6}")]
        assert abs(own - value) < 1e-3 * max(map(abs, values)), (side, v, own, value)
    info = json.loads(run("info", path, "--json")[1])
    assert info["kind"] == "pscalar", info
    page = (out / "p" / "report.html").read_text()
    assert page.count("left, outside") == len(found["maps"]) > 0
    run("report", out / "p")
    assert (out / "p" / "report.html").read_text() == page

    # A model knows its parcels.
    model = out / "p" / "model-ridge.safetensors"
    run("predict", model, parcels, out / "q")
    turned = tiny.make_bids(out / "turned", parcels=NAMES[1:] + NAMES[:1])
    refuses(1, "predict", model, turned, out / "r", says=["12 parcels that are not the 12 in use"])

    # The finer form of a run is taken, unless the folder of the other is asked for.
    run("decode", dense, out / "both", *QUICK, "--no-glm", "--derivatives", parcels / "derivatives" / "fmriprep")
    assert features_of(out / "both") == NAMES
    for file in (parcels / "derivatives" / "fmriprep").rglob("*.ptseries.nii"):
        file.rename(dense / "derivatives" / "fmriprep" / file.parent.parent.name / "func" / file.name)
    run("decode", dense, out / "fine", *QUICK, "--no-glm")
    info = json.loads(run("info", out / "fine" / "sub-01" / "func" / "sub-01_desc-series_bold.h5", "--json")[1])
    assert info["features"] == tiny.COUNT, info

    # What parcels leave no choice of.
    refuses(2, "decode", turned, out / "e", *QUICK, "--atlas", out / "slices.dlabel.nii", says=["holds parcels", "--atlas"])
    refuses(1, "decode", turned, out / "e", *QUICK, "--region-statistic", "variance", says=["means of parcels", "variance"])
    refuses(2, "decode", turned, out / "e", *QUICK, "--fwhm", "4", says=["holds parcels", "--fwhm"])
    refuses(2, "decode", turned, out / "e", *QUICK, "--features", "voxels", says=["holds parcels", "dtseries"])
    refuses(2, "glm", turned, out / "e", says=["holds parcels", "dtseries"])
