"""The general linear model of one real run gives the t values of nilearn 0.14:
FirstLevelModel(t_r=2, hrf_model="spm", drift_model="cosine", high_pass=1/128, noise_model=..., mask_img=mask) with
mask = compute_epi_mask(image), unsmoothed, volumes taken to be acquired at the begin of the repetition time."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from command import Folder, dataset, results, run

CONTRASTS = ["--contrast", "all=body + face + house + object + scene + scramble",
             "--contrast", "places=scene + house - face - body"]


def near(what, value, expected, tolerance=0.05):
    print(f"{what}: {value:.3f}, expected {expected} ± {tolerance}")
    assert abs(value - expected) <= tolerance, (what, value, expected)


def contrast(folder, name):
    return next(entry for entry in results(folder)["contrasts"] if entry["name"] == name)


data = dataset("localizer")
with Folder() as out:
    run("glm", data, out / "ols", "--noise", "ols", "--slice-time-reference", "0", *CONTRASTS)
    everything, places = contrast(out / "ols", "all"), contrast(out / "ols", "places")
    assert everything["voxels"] == 48751, everything["voxels"]
    near("all conditions, OLS, largest t", everything["max"]["t"], 23.96)
    near("places, OLS, largest t", places["max"]["t"], 14.88)
    near("places, OLS, smallest t", places["min"]["t"], -13.73)
    assert places["max"]["voxel"] == [30, 69, 17], places["max"]
    assert places["min"]["voxel"] == [53, 69, 10], places["min"]
    assert 0 < places["voxels_z_above_3.1"] < 48751

    # The maps say the same: the largest value of the t map, at that voxel of the file.
    found = results(out / "ols")
    assert found["command"] == "glm" and found["models"] == [] and found["chance"] is None
    for stat in ("effect", "variance", "t", "z"):
        assert (out / "ols" / "maps" / f"contrast-places_stat-{stat}_statmap.nii.gz").exists()
    for file in found["files"]:
        assert (out / "ols" / file).exists(), file

    run("glm", data, out / "ar1", "--noise", "ar1", "--slice-time-reference", "0", *CONTRASTS[:2])
    near("all conditions, AR(1), largest t", contrast(out / "ar1", "all")["max"]["t"], 19.00)

    # Without --contrast: each condition against the mean of the others, and their sum.
    run("glm", data, out / "default", "--noise", "ols", "--slice-time-reference", "0")
    names = [entry["name"] for entry in results(out / "default")["contrasts"]]
    assert names == ["body", "face", "house", "object", "scene", "scramble", "all"], names
    near("the default sum is that of all conditions", contrast(out / "default", "all")["max"]["t"], 23.96)

    errors, _ = run("glm", data, out / "bad", "--contrast", "places=scenes - face", status=2)
    assert "scene" in errors and "places" in errors, errors
    errors, _ = run("glm", data, out / "bad", "--contrast", "scene - face", status=2)
    assert "NAME=FORMULA" in errors, errors
