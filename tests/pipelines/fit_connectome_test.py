"""Workflows are trained from whole datasets: what is written, resumed and refused."""
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from command import Folder, ROOT, results, run
from nifti import labelled


def table(path):
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    return [dict(zip(rows[0], row)) for row in rows[1:]]


def fit(data, folder, workflow, *more, status=0):
    return run("fit-connectome", data, folder, "--workflow", workflow, *more, status=status, timeout=240)


def losses(folder):
    return {row["loss"]: {key: float(value) for key, value in row.items() if key != "loss"}
            for row in table(folder / "losses.tsv")}


with Folder() as out:
    data = out / "data"
    run("simulate", data, "--subjects", "6", "--runs", "2", "--shape", "10,12,10", "--seed", "3")
    participants = data / "participants.tsv"
    rows = [line.split("\t") for line in participants.read_text().splitlines()]
    participants.write_text("\n".join("\t".join([*row, "group" if r == 0 else "ab"[r % 2]])
                                      for r, row in enumerate(rows)) + "\n")

    # Parcels: voxels in, maps out; held-out runs gain.
    text = (ROOT / "examples" / "workflows" / "parcels.toml").read_text()
    parcels = out / "parcels.toml"
    for old, new in (("epochs = 100", "epochs = 12"), ("parcels = 40", "parcels = 8"), ("= 50", "= 6"), ("end = 100", "end = 12")):
        assert old in text, old
        text = text.replace(old, new)
    parcels.write_text(text)
    fit(data, out / "parcels", parcels)
    found = results(out / "parcels")
    assert found["command"] == "fit-connectome"
    for file in found["files"]:
        assert (out / "parcels" / file).exists(), file
    sums = losses(out / "parcels")
    print(sums)
    epochs = [float(row["training_loss"]) for row in table(out / "parcels" / "training.tsv")]
    assert min(epochs[-3:]) < epochs[0], epochs
    sets = [row["set"] for row in table(out / "parcels" / "split.tsv")]
    assert sets.count("held out") == 6 and sets.count("training") == 6, sets
    assert len(table(out / "parcels" / "training.tsv")) == 12
    assert len(table(out / "parcels" / "regions.tsv")) == 8
    page = (out / "parcels" / "report.html").read_text()
    assert "Held out, learned" in page and "from above" in page and "type = &quot;parcellate&quot;" in page
    run("report", out / "parcels")
    assert (out / "parcels" / "report.html").read_text() == page, "noema report makes another page"
    said, shown = run("info", out / "parcels" / "model-workflow.safetensors", "--json")
    facts = json.loads(shown)
    assert facts["kind"] == "workflow" and facts["contract"]["feature_kind"] == "voxels"
    assert [block["type"] for block in facts["metadata"]["workflow"]["blocks"]][:2] == ["detrend", "parcellate"]
    assert facts["metadata"]["workflow"]["blocks"][1]["learn"] is True
    assert not (out / "parcels" / "checkpoints").exists()

    # Labels with gaps, named by a table that has one region more.
    labelled(data / "ground-truth" / "brain.nii.gz", out / "gaps.nii.gz",
             lambda x, y, z, inside: (7, 40, 200)[min(z // 4, 2)] if inside else 0)
    (out / "gaps.tsv").write_text("index\tname\n200\ttop\n40\tmiddle\n7\tbottom\n99\tnowhere\n")
    parcels.write_text(parcels.read_text().replace("epochs = 12", "epochs = 2").replace("parcels = 8", "parcels = 3"))
    fit(data, out / "gaps", parcels, "--atlas", out / "gaps.nii.gz")
    assert [row["name"] for row in table(out / "gaps" / "regions.tsv")] == ["bottom", "middle", "top"]
    labelled(data / "ground-truth" / "brain.nii.gz", out / "empty.nii.gz", lambda x, y, z, inside: 0)
    said, _ = fit(data, out / "empty", parcels, "--atlas", out / "empty.nii.gz", status=1)
    assert "empty.nii.gz" in said and "every" in said, said

    # The denoiser of the examples, shortened; equal calls give equal numbers.
    text = (ROOT / "examples" / "workflows" / "denoise.toml").read_text()
    denoise = out / "denoise.toml"
    denoise.write_text(text.replace("epochs = 100", "epochs = 8").replace("combinations = 8", "combinations = 2")
                       .replace("validation = 0.25", "validation = 0.5").replace("low-pass = 0.1", "low-pass = 0.15"))
    regions = ["--parcels", "10", "--confounds", "motion"]
    fit(data, out / "denoise", denoise, *regions)
    first = losses(out / "denoise")
    assert first["qc-fc of edges"]["training_learned"] < first["qc-fc of edges"]["training_fixed"]
    chance = first["qc-fc of edges, by chance"]
    assert abs(chance["held_out_learned"] - 1 / 5) < 1e-9 and abs(chance["training_fixed"] - 1 / 5) < 1e-9, chance
    assert set(first) == {"qc-fc of edges", "qc-fc of edges, by chance", "roughness of filter", "sum"}, set(first)
    response = table(out / "denoise" / "parameters" / "filter_response.tsv")
    assert len(response) == 33 and float(response[0]["frequency_hz"]) == 0
    assert any(abs(float(row["fixed"]) - float(row["learned"])) > 1e-4 for row in response)
    assert "Amplitudes of filter" in (out / "denoise" / "report.html").read_text()
    errors, _ = fit(data, out / "denoise", denoise, *regions)
    assert "6 of 6 subjects were finished before" in errors
    assert losses(out / "denoise") == first

    # What fails leaves the earlier results as they are; what ends well leaves none of them.
    def written():
        return {file: (out / "denoise" / file).read_bytes() for file in results(out / "denoise")["files"]
                if not file.startswith("sub-")}

    before = written()
    assert {"model-workflow.safetensors", "parameters/filter_response.tsv", "connectome.h5"} <= set(before)
    wrong = out / "wrong.toml"
    wrong.write_text(denoise.read_text() + '[[block]]\ntype = "tangent"\ninput = "covariance"\n')
    wrong.write_text(wrong.read_text().replace('"ledoit-wolf"', '"empirical"').replace("low-pass = 0.15", "low-pass = 0.02"))
    errors, _ = fit(data, out / "denoise", wrong, *regions, status=1)
    assert "kept frames of 10 regions, of which their mean, trends, regressors and filters leave" in errors, errors
    assert written() == before
    plain = out / "plain.toml"
    plain.write_text('[training]\nepochs = 1\ntarget = "group"\n'
                     + "".join(f'[[block]]\ntype = "{kind}"\n' for kind in ("covariance", "vectorise", "readout"))
                     + '[[loss]]\ntype = "cross-entropy"\n')
    fit(data, out / "denoise", plain, *regions)
    assert not (out / "denoise" / "parameters" / "filter_response.tsv").exists()
    assert set(written()) == set(before) - {"group/group_stat-correlation_relmat.tsv"} - {
        file for file in before if file.startswith("parameters/")} | {
        "group/group_stat-covariance_relmat.tsv", "parameters/readout_weights.tsv"}, set(written())

    # A readout with a target of participants.tsv.
    target = out / "target.toml"
    target.write_text('[training]\nepochs = 10\ntarget = "group"\nheld-out = ["05", "06"]\n'
                      + "".join(f'[[block]]\ntype = "{kind}"\n' for kind in
                                ("standardise", "covariance", "tangent", "vectorise", "readout"))
                      + '[[loss]]\ntype = "cross-entropy"\n')
    fit(data, out / "target", target, "--parcels", "6")
    held = {row["subject"] for row in table(out / "target" / "split.tsv") if row["set"] == "held out"}
    assert held == {"05", "06"}
    entropy = losses(out / "target")["cross-entropy of readout"]
    assert entropy["training_learned"] < 0.69 and entropy["training_fixed"] == entropy["training_learned"]

    # What cannot be: said with the line.
    def refused(workflow, *words, more=("--parcels", "6"), status=2):
        file = out / "bad.toml"
        file.write_text(workflow)
        errors, _ = fit(data, out / "bad", file, *more, status=status)
        for word in words:
            assert word in errors, (word, errors)

    refused('[[block]]\ntype = "fliter"\n', "line 2", "did you mean 'filter'", "tangent")
    refused('[[block]]\ntype = "filter"\n\nhihg-pass = 0.1\n', "line 4", "high-pass", "low-pass")
    refused('[[block]]\ntype = "covariance"\n[[loss]]\ntype = "homogeneity"\n', "line 4", "of type parcellate")
    refused('[[block]]\ntype = "covariance"\n[trainig]\n', "line 3", "training")
    refused('[training]\nepochs = "many"\n[[block]]\ntype = "covariance"\n', "line 2", "whole number")
    refused('[[block]\n', "is no TOML")
    chain = '[[block]]\ntype = "covariance"\nestimator = "shrunk"\nlearn = true\n[[loss]]\ntype = "qc-fc"\n'
    refused(chain + "weight = -1\n", "line 7", "found -1, expected a number from 0 on")
    refused(chain + "weight = inf\n", "line 7", "found inf")
    refused(chain + 'tolerance = "none"\n', "line 7", "found a word, expected a number")
    refused(chain + "last-weight = 2\nramp-end = 0\n", "line 8", "ramp-end of qc-fc")
    motion = ("--parcels", "6", "--confounds", "motion")
    refused('[training]\nheld-out = ["05"]\n' + chain, "found 10 training and 2 held-out runs, expected 3 or more", "Held out: 1 of 6 subjects",
            more=motion, status=1)
    refused("[training]\nvalidation = 0.5\nbatch-size = 4\n" + chain, "batch-size = 4 of 6 training runs",
            "last batch has 2", more=motion)
    assert not (out / "bad").exists(), "what can be seen before the work leaves a folder"
    refused('[training]\nheld-out = ["99"]\n[[block]]\ntype = "covariance"\n[[loss]]\ntype = "qc-fc"\n', "'99'", "01")
    refused('[[block]]\ntype = "covariance"\nestimator = "sample"\n[[block]]\ntype = "precision"\n[[loss]]\ntype = "qc-fc"\n',
            "of 300 regions, expected more frames than regions", more=("--parcels", "300", "--confounds", "motion"), status=1)
    refused('[[block]]\ntype = "covariance"\n[[loss]]\ntype = "qc-fc"\n', "nothing to learn", more=("--parcels", "6", "--confounds", "motion"))
