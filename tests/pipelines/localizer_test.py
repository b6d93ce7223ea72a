"""One real subject with one run: two blocks of each of six categories, no derivatives."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from command import Folder, accuracy, at_least, dataset, model, results, run

data = dataset("localizer")
with Folder() as out:
    run("decode", data, out / "default", timeout=180)
    found = results(out / "default")
    assert found["split"]["unit"] == "occurrence" and found["split"]["folds"] == 2
    assert model(found, "ridge")["sample_unit"] == "volumes"
    assert all(3 <= delay <= 5 for delay in found["split"]["delay_s"]), found["split"]["delay_s"]
    at_least("best linear model, per TR", max(accuracy(found, "ridge"), accuracy(found, "logistic")), 0.70)
    at_least("long convolution, per TR, mean of three seeds", accuracy(found, "long-conv"), 0.55)
    assert abs(found["chance"] - 1 / 6) < 1e-12
