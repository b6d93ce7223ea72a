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
        assert "delay" not in errors, "estimates have no delay to warn of"
        assert not found["method"]["delay_rule"] and not any(found["split"]["delay_s"]), found["method"]
        assert found["split"]["unit"] == "run", found["split"]
        assert not list(out.glob("model-*.safetensors")) and "models of single trials are not kept" in errors
        lines = (out / "predictions.tsv").read_text().splitlines()
        assert len(lines) > 3 * 2 * 10, len(lines)
    errors, _ = run("decode", data, folder / "block", *FAST, "--samples", "single-trials-lss", "--split", "occurrence", status=1)
    assert "made of the same volumes" in errors, errors
    errors, _ = run("decode", data, folder / "one", *FAST, "--samples", "single-trials-lsa", "--run", "01", status=1)
    assert "split by run or subject" in errors, errors

    # A trial that begins before the first volume, or after the last that are kept, has no sample and is counted.
    early = damage.copy(data, folder / "early")
    lines = damage.events(early).read_text().splitlines()
    first = lines[1].split("\t")
    damage.events(early).write_text("\n".join([lines[0], "\t".join(["-5", "6", *first[2:]]), *lines[1:]]) + "\n")
    samples = len((folder / "lss" / "predictions.tsv").read_text().splitlines())
    for model in ("lsa", "lss"):
        out = folder / f"early-{model}"
        errors, _ = run("decode", early, out, *FAST, "--samples", f"single-trials-{model}")
        assert "1 of 73 trials keep no volume and are left out" in errors and "from -5" in errors, errors
        assert len((out / "predictions.tsv").read_text().splitlines()) == samples
    errors, _ = run("decode", early, folder / "cut", *FAST, "--samples", "single-trials-lss", "--drop-first", "4")
    assert "1 of 25 events lie outside the run" in errors, errors

    # Two trials of one volume are refused, though one of them has no estimate.
    damage.events(early).write_text("\n".join([*lines[:2], "\t".join([str(float(first[0]) + 0.3), *first[1:]]), *lines[2:]]) + "\n")
    errors, _ = run("decode", early, folder / "twice", *FAST, "--samples", "single-trials-lss", status=1)
    assert "cannot be told apart" in errors, errors

    run("decode", data, folder / "delay", *FAST, "--samples", "single-trials-lsa", "--delay", "4", status=2)
    run("train", data, folder / "train", "--samples", "single-trials-lsa", status=2)
    run("decode", data, folder / "maps", "--samples", "single-trials-lss", "--permutations", "0", "--attribution", "gradient")
    assert list((folder / "maps" / "maps").glob("contrast-*_stat-t_statmap.nii.gz")), "the GLM keeps the events' own times"
