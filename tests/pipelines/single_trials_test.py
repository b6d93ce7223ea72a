"""Decoding of single-trial estimates: they tell short events apart, and never split a run."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import damage
from command import Folder, accuracy, results, run

FAST = ["--permutations", "0", "--no-glm", "--attribution", "gradient"]

with Folder() as folder:
    data = damage.simulate(folder / "data", subjects=1, runs=3, design="events", events=12, level=2)
    for model in ("lsa", "lss"):
        out = folder / model
        errors, _ = run("decode", data, out, *FAST, "--samples", f"single-trials-{model}")
        found = results(out)
        assert accuracy(found, "ridge") > 0.75, accuracy(found, "ridge")
        assert found["split"]["unit"] == "run", found["split"]
        assert not list(out.glob("model-*.safetensors")) and "models of single trials are not kept" in errors
        lines = (out / "predictions.tsv").read_text().splitlines()
        assert len(lines) > 3 * 2 * 10, len(lines)
    errors, _ = run("decode", data, folder / "block", *FAST, "--samples", "single-trials-lss", "--split", "occurrence", status=1)
    assert "made of the same volumes" in errors, errors
    errors, _ = run("decode", data, folder / "one", *FAST, "--samples", "single-trials-lsa", "--run", "01", status=1)
    assert "split by run or subject" in errors, errors
    run("decode", data, folder / "delay", *FAST, "--samples", "single-trials-lsa", "--delay", "4", status=2)
    run("train", data, folder / "train", "--samples", "single-trials-lsa", status=2)
    run("decode", data, folder / "maps", "--samples", "single-trials-lss", "--permutations", "0", "--attribution", "gradient")
    assert list((folder / "maps" / "maps").glob("contrast-*_stat-t_statmap.nii.gz")), "the GLM keeps the events' own times"
