"""`noema searchlight` finds where states show, and says by which split."""
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from command import Folder, at_least, results, run
from nifti import volumes_of

with Folder() as folder:
    data, out = folder / "bids", folder / "out"
    run("simulate", data, "--subjects", "3", "--runs", "1", "--states", "2", "--shape", "12,12,10", "--seed", "2",
        "--level", "0.2", "--own-map", "0", "--drift", "0", "--spikes", "0")
    _, printed = run("searchlight", data, out, "--radius", "5", "--samples", "blocks")
    found = results(out)
    assert found["command"] == "searchlight" and found["chance"] == 0.5 and found["models"] == [], found["command"]
    assert found["split"]["unit"] == "subject" and found["split"]["folds"] == 3 and not found["split"]["leaks"]
    for file in found["files"]:
        assert (out / file).exists(), file
    assert "chance 0.500" in printed and "left out: subject" in printed, printed

    _, (scores,) = volumes_of(out / "maps" / "desc-searchlight_stat-balancedAccuracy_statmap.nii.gz")
    _, (above,) = volumes_of(out / "maps" / "desc-searchlight_stat-aboveChance_statmap.nii.gz")
    _, (brain,) = volumes_of(data / "ground-truth" / "brain.nii.gz")
    _, maps = volumes_of(data / "ground-truth" / "maps.nii.gz")
    inside = [v for v, value in enumerate(scores) if value != 0]
    assert all(0 <= scores[v] <= 1 and abs(scores[v] - 0.5 - above[v]) < 1e-6 for v in inside)
    at_least("best sphere", max(scores), 0.85)
    difference = {v: abs(maps[0][v] - maps[1][v]) for v in inside if brain[v]}
    order = sorted(difference, key=difference.get)
    tenth = len(order) // 10
    where, elsewhere = (statistics.fmean(scores[v] for v in part) for part in (order[-tenth:], order[:tenth]))
    at_least("accuracy where the states differ most, above where they differ least", where - elsewhere, 0.1)

    errors, _ = run("searchlight", data, folder / "bad", "--features", "parcels", status=2)
    assert "voxels" in errors, errors
