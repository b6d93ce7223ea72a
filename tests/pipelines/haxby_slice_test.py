"""One real subject with twelve runs whose events already carry the delay of the response."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from command import Folder, accuracy, at_least, dataset, model, results, right, run

data = dataset("haxby-slice")
with Folder() as out:
    run("decode", data, out / "default", timeout=180)
    found = results(out / "default")
    assert found["split"]["unit"] == "run" and found["split"]["folds"] == 12
    assert model(found, "ridge")["sample_unit"] == "blocks"
    assert all(delay < 1.3 for delay in found["split"]["delay_s"]), found["split"]["delay_s"]
    at_least("best linear model, all defaults", max(accuracy(found, "ridge"), accuracy(found, "logistic")), 0.75)
    assert model(found, "ridge")["p_permutation"] <= 0.01
    at_least("majority is at chance", 0.13, accuracy(found, "majority"))
    at_least("nuisance is near chance", 0.35, accuracy(found, "nuisance"))
    assert (out / "default" / "report.html").stat().st_size > 100_000

    common = ["--delay", "0", "--high-pass", "none", "--no-glm", "--permutations", "0", "--attribution", "gradient"]
    run("decode", data, out / "plain", *common, "--whitening", "off", "--model", "ridge,long-conv")
    plain = results(out / "plain")
    at_least("ridge on blocks, delay 0: right of 96", right(plain, "ridge"), 77)
    at_least("long convolution without whitening, mean of three seeds", accuracy(plain, "long-conv"), 0.72)
    run("decode", data, out / "white", *common, "--whitening", "on", "--model", "long-conv")
    white = results(out / "white")
    at_least("long convolution with whitening, mean of three seeds", accuracy(white, "long-conv"), 0.79)
    assert model(plain, "long-conv")["balanced_accuracy"] != model(white, "long-conv")["balanced_accuracy"], "--whitening does nothing"
    for name, result in (("without", plain), ("with", white)):
        score = model(result, "long-conv")["balanced_accuracy"]
        print(f"long convolution {name} whitening: {score['mean']:.3f} ± {score['sd_over_seeds']:.3f} over seeds {score['per_seed']}")

    run("decode", data, out / "volumes", *common, "--samples", "volumes", "--model", "ridge")
    volumes = results(out / "volumes")
    at_least("ridge per volume", accuracy(volumes, "ridge"), 0.63)
    at_least("blocks right by the vote of their volumes, of 96", model(volumes, "ridge")["by_block"]["right"], 80)

    shuffled = [*common, "--samples", "volumes", "--model", "ridge", "--split", "shuffled"]
    errors, _ = run("decode", data, out / "leak", *shuffled, status=1)
    assert "--allow-leakage" in errors, errors
    run("decode", data, out / "leak", *shuffled, "--allow-leakage")
    leak = model(results(out / "leak"), "ridge")
    at_least("a shuffled split flatters", leak["balanced_accuracy"]["mean"], 0.76)
    assert abs(leak["honest_balanced_accuracy"] - accuracy(volumes, "ridge")) < 0.02
    page = (out / "leak" / "report.html").read_text()
    assert f"{leak['honest_balanced_accuracy']:.3f}" in page and f"{leak['balanced_accuracy']['mean']:.3f}" in page
