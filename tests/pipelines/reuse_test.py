"""What was finished is taken again only when nothing that decides it changed; numbers do not depend on how it was run."""
import json
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import damage
from command import Folder, results, run
from damage import FAST, bold, copy, events, files, refused, set_json, sidecar


def store(out, subject):
    return out / f"sub-{subject}" / "func" / f"sub-{subject}_desc-series_bold.h5"


def decode(data, out, *words):
    return run("decode", data, out, *FAST, *words)[0]


def scores(out):
    """Everything that was found, without what tells of the call."""
    found = results(out)
    return {key: found[key] for key in ("models", "baselines", "labels", "chance", "split", "faithfulness")}


def without_times(value):
    if isinstance(value, dict):
        return {key: without_times(part) for key, part in value.items() if not key.startswith("seconds")}
    return [without_times(part) for part in value] if isinstance(value, list) else value


def reuse_follows_inputs_and_options(data, out):
    decode(data, out)
    first = {subject: store(out, subject).stat().st_mtime_ns for subject in ("01", "02")}
    before = scores(out)
    err = decode(data, out)
    assert "2 of 2 subjects were finished before and are reused: 01, 02" in err, err
    assert "reading sub-" not in err, "nothing is preprocessed again"
    assert first == {subject: store(out, subject).stat().st_mtime_ns for subject in first}
    assert without_times(scores(out)) == without_times(before)

    def recomputed(reason, *words, other_reused=True):
        err = decode(data, out, *words)
        assert f"subject '01' was computed again: {reason}" in err, err
        assert ("are reused: 02" in err) == other_reused, err
        assert "was computed again" not in decode(data, out, *words), "and is reused then"

    os.utime(bold(data), (1_700_000_000, 1_700_000_000))  # same content, another time
    recomputed("the input files changed")
    content = events(data).read_text().splitlines()
    events(data).write_text("\n".join(content[:-1]) + "\n")
    recomputed("the input files changed")
    set_json(sidecar(bold(data)), StartTime=0.5)
    recomputed("the runs, their timing or their labels changed")
    recomputed("the preprocessing options changed", "--fwhm", "4", other_reused=False)
    recomputed("the mask or the features changed", "--fwhm", "4", "--features", "parcels", "--parcels", "20",
               other_reused=False)
    words = ["--fwhm", "4", "--features", "parcels", "--parcels", "20"]
    whole = store(out, "01").read_bytes()
    damaged = bytearray(whole)
    for i in range(len(whole) // 2, len(whole) // 2 + 64):
        damaged[i] ^= 0xFF
    for broken in (bytes(damaged), whole[:len(whole) // 2]):
        store(out, "01").write_bytes(broken)
        recomputed("it cannot be read", *words)


def participants_then_group(data, folder):
    out, at_once = folder / "parts", folder / "at-once"
    for subject in ("01", "02"):
        err, text = run("decode", data, out, "participant", "--participant-label", subject, *FAST)
        assert text == "" and store(out, subject).exists() and not (out / "results.json").exists()
    err = run("decode", data, out, "group", *FAST)[0]
    assert "2 of 2 subjects were finished before and are reused" in err and "reading sub-" not in err, err
    err = run("decode", data, at_once, *FAST, "--n-procs", "2", "--threads", "2")[0]
    assert "reading sub-" in err
    for subject in ("01", "02"):
        assert store(out, subject).read_bytes() == store(at_once, subject).read_bytes(), "same bytes, whoever made them"
    assert without_times(scores(out)) == without_times(scores(at_once))
    linear = ["--model", "ridge,logistic", "--permutations", "20", "--no-glm", "--attribution", "gradient"]
    one = folder / "one-thread"
    run("decode", data, one, *linear, "--threads", "1")
    two = folder / "two-threads"
    run("decode", data, two, *linear, "--threads", "2")
    assert without_times(scores(one)) == without_times(scores(two))
    assert (one / "predictions.tsv").read_bytes() == (two / "predictions.tsv").read_bytes()
    for name in files(one):
        if name.startswith("maps/"):
            assert (one / name).read_bytes() == (two / name).read_bytes(), name


def configuration_files(data, folder):
    given = folder / "given.toml"
    given.write_text("fwhm = 4\nseeds = 2\nmodel = ['ridge']\nno-glm = true\nattribution = ['gradient']\npermutations = 10\n")
    out = folder / "by-file"
    run("decode", data, out, "--config", given, "--permutations", "5")
    written = (out / "noema-decode.toml").read_text()
    assert "fwhm = 4" in written and "permutations = 5" in written, "the command line wins over the file"
    assert results(out)["models"][0]["permutations"] == 5
    again = folder / "again"
    run("decode", data, again, "--config", out / "noema-decode.toml")
    assert (again / "noema-decode.toml").read_text() == written
    assert without_times(scores(again)) == without_times(scores(out))
    given.write_text("fwmh = 4\n")
    refused(["decode", data, folder / "none", "--config", given], given, "fwmh", "fwhm", status=2)
    given.write_text("fwhm = = 4\n")
    refused(["decode", data, folder / "none", "--config", given], given)
    given.write_text("fwhm = 'wide'\n")
    refused(["decode", data, folder / "none", "--config", given], "fwhm", "wide", status=2)
    assert not (folder / "none").exists()


def weights(path):
    """The numbers of a model file, without the header, which tells when and how it was made."""
    content = path.read_bytes()
    return content[8 + int.from_bytes(content[:8], "little"):]


def training_goes_on(data, folder, model="long-conv"):
    """Killed in the middle of cross-validating a network, it takes up what was trained, and ends with the same scores."""
    words = ["decode", data]
    options = ["--model", model, "--seeds", "2", "--no-glm", "--attribution", "gradient", "--delay", "4", "--threads", "1"]
    whole, cut = folder / "whole", folder / "cut"
    run(*words, whole, *options)
    kept = cut / "checkpoints"
    status, _ = damage.interrupt([*words, cut, *options], lambda _: kept.is_dir() and any(kept.glob("*.safetensors")),
                                 number=signal.SIGKILL)
    assert status != 0 and not (cut / "results.json").exists()
    before = {path: path.read_bytes() for path in kept.glob("*.safetensors")}
    assert 1 <= len(before) < 6, f"{len(before)} of the 5 trainings had ended"
    run(*words, cut, *options)
    assert not kept.exists(), "nothing of it stays"
    assert without_times(scores(cut)) == without_times(scores(whole))
    assert weights(cut / f"model-{model}.safetensors") == weights(whole / f"model-{model}.safetensors"), "bit for bit"


def early_stopping(data, folder):
    out = folder / "early"
    run("decode", data, out, "--model", "long-conv", "--seeds", "1", "--no-glm", "--attribution", "gradient", "--delay", "4",
        "--epochs", "60", "--early-stopping", "2")
    losses = [entry["runs"] for entry in results(out)["training"] if entry["quantity"] == "validation loss"][0]
    assert len(losses) == 2, "one for each fold"
    for fold in losses:
        best = fold.index(min(fold))
        assert len(fold) == min(60, best + 1 + 2), f"two epochs after the best ({best + 1}): {fold}"
    assert any(len(fold) < 60 for fold in losses)


def quiet_and_dry(data, folder):
    dry = folder / "dry"
    before = files(data)
    err, text = run("decode", data, dry, *FAST, "--dry-run")
    assert not dry.exists() and "dry run" in err and "to be computed" in err and text == "", err
    assert files(data) == before
    refused(["decode", data, dry, *FAST, "--dry-run", "--conditions", "nothing,state1"], "nothing", status=2)
    out = folder / "quiet"
    err, text = run("decode", data, out, *FAST, "--quiet")
    assert err == "", err
    names = [line.split()[0] for line in text.splitlines()]
    assert names == ["ridge", "majority", "nuisance", "chance", "report"], text
    before = {name: (out / name).stat().st_mtime_ns for name in files(out)}
    err, _ = run("decode", data, out, *FAST, "--dry-run")
    assert "finished before, to be reused" in err, err
    assert before == {name: (out / name).stat().st_mtime_ns for name in files(out)}
    refused(["decode", data, out, *FAST, "--quiet", "--conditions", "nothing,state1"], "nothing", status=2)


with Folder() as folder:
    data = damage.simulate(folder / "data")
    participants_then_group(data, folder)
    configuration_files(data, folder)
    quiet_and_dry(data, folder)
    training_goes_on(data, folder / "long convolutions")
    training_goes_on(data, folder / "list of mixers", "h3")
    early_stopping(data, folder)
    reuse_follows_inputs_and_options(copy(data, folder / "changing"), folder / "reuse")
