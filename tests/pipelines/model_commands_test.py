"""From a model file on: train, predict, evaluate, finetune and interpret on small made-up datasets."""
import csv
import json
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import tiny_dataset
from command import Folder, accuracy, at_least, model, results, run


def table(path):
    with open(path) as file:
        return list(csv.DictReader(file, delimiter="\t"))


def error_of(*words, status=1):
    return run(*words, status=status)[0]


with Folder() as out:
    first = tiny_dataset.make(out / "first")
    second = tiny_dataset.make(out / "second", subjects=("03", "04"), seed=2)
    other = tiny_dataset.make(out / "other", subjects=("05", "06"), labels=("cat", "dog", "shoe"), seed=3)
    quick = ["--samples", "blocks", "--delay", "4", "--threads", "2"]

    # train: model files, no scores
    _, printed = run("train", first, out / "models", "--model", "ridge,logistic,long-conv", "--epochs", 30, *quick)
    ridge, logistic, network = (out / "models" / f"model-{m}.safetensors" for m in ("ridge", "logistic", "long-conv"))
    assert all(str(path) in printed for path in (ridge, logistic, network)), printed
    assert not (out / "models" / "results.json").exists()
    info = json.loads(run("info", ridge, "--json")[1])["contract"]
    assert info["labels"] == ["face", "house"] and info["unit"] == "blocks", info
    assert info["window_volumes"] == 6 and info["delay_s"] == 4 and info["tr_s"] == 2, info
    assert len(info["provenance"]["inputs"]) == 4, info["provenance"]
    assert "a baseline is nothing to keep" in error_of("train", first, out / "x", "--model", "majority", status=2)
    assert "expected some of ridge" in error_of("train", first, out / "x", status=2)
    assert "did you mean ridge?" in error_of("train", first, out / "x", "--model", "rigde", status=2)

    # networks as lists of mixers: by name and by a file
    own = out / "own.toml"
    own.write_text("channels = 16\n[[mixer]]\nkind = 'short-conv'\nrepeat = 2\n[[mixer]]\nkind = 'swiglu'\n")
    run("train", first, out / "listed", "--model", "h3", "--backbone", own, "--epochs", 30, *quick)
    mixers = json.loads(run("info", out / "listed/model-h3.safetensors", "--json")[1])["metadata"]["model"]["mixers"]
    assert [mixer["kind"] for mixer in mixers] == ["h3", "swiglu"], mixers
    assert mixers[1]["parameters"] == 2 * 32 + 172 * 33 + 32 * 87 == 8524 and mixers[1]["state_bytes"] == 0, mixers
    assert mixers[0]["volumes"] == 6 and mixers[0]["flops"] > 6 * 2 * 32 * 128 and mixers[0]["state_bytes"] > 0, mixers
    listed = out / "listed/model-backbone.safetensors"
    mixers = json.loads(run("info", listed, "--json")[1])["metadata"]["model"]["mixers"]
    assert [mixer["kind"] for mixer in mixers] == ["short-conv", "short-conv", "swiglu"], mixers
    run("evaluate", listed, second, out / "listed scores")
    at_least("an own list of mixers on new people", accuracy(results(out / "listed scores"), "backbone"), 0.8)
    run("decode", first, out / "by name", "--model", "attention", "--seeds", 1, "--epochs", 5, "--no-glm", "--attribution",
        "gradient", *quick)
    said = results(out / "by name")["method"]["features"]
    assert len(said) == 1 and said[0].startswith("Mixers of attention: attention with "), said
    assert "; swiglu with 8524 parameters" in said[0] and said[0].endswith(" for 6 volumes, and a state of 0 bytes."), said
    assert said[0] in (out / "by name/report.html").read_text()
    own.write_text("[[mixer]]\nkind = 'swiglu'\n[[mixer]]\nkind = 'hh3'\n")
    said = error_of("train", first, out / "x", "--backbone", own)
    assert f"'{own}' line 4: there is no mixer of kind 'hh3'; did you mean 'h3'?" in said, said
    assert "expected one of attention, butterfly-conv, gated-long-conv" in said and said.count("error:") == 1, said
    assert "--backbone FILE.toml" in error_of("train", first, out / "x", "--model", "backbone", status=2)
    assert not (out / "x").exists()

    # predict: windows of a run without events, on the clock of the stimuli
    bold = second / "derivatives/prep/sub-03/func/sub-03_task-look_run-1_space-T_desc-preproc_bold.nii.gz"
    run("predict", logistic, bold, out / "windows")
    rows = table(out / "windows/sub-03/func/sub-03_task-look_run-1_desc-logistic_predictions.tsv")
    assert len(rows) == 104 - 5 and list(rows[0]) == ["onset", "duration", "label", "p_face", "p_house"], rows[0]
    assert float(rows[0]["onset"]) == -4 and float(rows[1]["onset"]) == -2 and float(rows[0]["duration"]) == 12
    assert all(abs(float(r["p_face"]) + float(r["p_house"]) - 1) < 1e-5 for r in rows)
    events = table(second / "sub-03/func/sub-03_task-look_run-1_events.tsv")
    said = {float(r["onset"]): r["label"] for r in rows}
    right = sum(said[float(e["onset"])] == e["trial_type"] for e in events)
    at_least("windows at the blocks' onsets that are right, of 10", right, 9)
    run("predict", ridge, second, out / "blocks", "--events", "dataset")
    rows = table(out / "blocks/sub-04/func/sub-04_task-look_run-1_desc-ridge_predictions.tsv")
    assert list(rows[0]) == ["onset", "duration", "trial_type", "label", "score_face", "score_house"], rows[0]
    assert len(rows) == 10 and float(rows[1]["onset"]) == 20, rows
    at_least("blocks that are right, of 10", sum(r["trial_type"] == r["label"] for r in rows), 9)
    run("predict", network, second, out / "steps", "--step", 10, "--participant-label", "03")
    rows = table(out / "steps/sub-03/func/sub-03_task-look_run-1_desc-longConv_predictions.tsv")
    assert [float(r["onset"]) for r in rows[:3]] == [-4, 16, 36] and len(rows) == 10, rows
    assert json.loads((out / "steps/dataset_description.json").read_text())["DatasetType"] == "derivative"

    slow = tiny_dataset.make(out / "slow", subjects=("07",), tr=3.0)
    assert "found a TR of 3 s, expected 2 s" in error_of("predict", ridge, slow, out / "x")
    assert "--allow-resample" not in error_of("predict", ridge, slow, out / "x")
    assert "expected a BIDS dataset" in error_of("predict", ridge, ridge, out / "x", status=2)
    assert "events file of the run" in error_of("predict", ridge, bold, out / "x", "--events", "dataset", status=2)
    assert "events files of the dataset" in error_of("predict", ridge, second, out / "x", "--events", "e.tsv", status=2)
    assert bold.name in error_of("predict", bold, second, out / "x")
    (out / "cut.safetensors").write_bytes(ridge.read_bytes()[:3000])
    assert "cut.safetensors" in error_of("predict", out / "cut.safetensors", second, out / "x")

    # evaluate: other people; not the same files
    run("evaluate", logistic, second, out / "scores")
    found = results(out / "scores")
    assert found["command"] == "evaluate" and found["split"]["unit"] == "none" and found["chance"] == 0.5
    at_least("a trained model on new people", accuracy(found, "logistic"), 0.9)
    assert model(found, "logistic")["samples"] == 20 and model(found, "logistic")["group_unit"] == "subjects"
    assert accuracy(found, "majority-of-test-labels") == 0.5 and model(found, "logistic")["log_loss"] < 0.5
    assert len(table(out / "scores/predictions.tsv")) == 40 and not found["split"]["violations"]
    assert "trained model" in (out / "scores/report.html").read_text()
    assert "trained on 2 of the 2 runs" in error_of("evaluate", ridge, first, out / "leak")
    run("evaluate", ridge, first, out / "leak", "--allow-leakage")
    assert len(results(out / "leak")["split"]["violations"]) == 2
    copied = out / "copied"  # another name does not make a run new
    shutil.copytree(first, copied)
    assert "trained on 2 of the 2 runs" in error_of("evaluate", ridge, copied, out / "x")
    assert "cat, dog, shoe" in error_of("evaluate", ridge, other, out / "x")
    assert "no event is labelled 'lion'" in error_of("evaluate", ridge, second, out / "x", "--conditions", "lion", status=2)
    assert "--run-label" in error_of("evaluate", ridge, second, out / "x", "--run-label", "task", status=2)
    (out / "map.tsv").write_text("from\tto\ncat\tface\ndog\thouse\nshoe\tn/a\n")
    run("evaluate", ridge, other, out / "renamed", "--labels", out / "map.tsv")
    at_least("with other names for the same voxels", accuracy(results(out / "renamed"), "ridge"), 0.9)

    # finetune: to three other labels, beside training from scratch on the same folds
    tune = ["--seeds", 1, "--threads", 2, "--delay", "4"]
    run("finetune", network, other, out / "tuned", "--epochs", 40, *tune)
    found = results(out / "tuned")
    assert [entry["name"] for entry in found["models"]] == ["long-conv", "long-conv-finetuned", "ridge"], found["models"]
    assert {entry["name"] for entry in found["baselines"]} == {"majority", "nuisance"}
    assert found["split"]["unit"] == "subject" and found["labels"] == ["cat", "dog", "shoe"]
    assert found["comparisons"][0]["first"] == "long-conv-finetuned"
    at_least("fine-tuned to three labels", accuracy(found, "long-conv-finetuned"), 0.6)
    tuned = out / "tuned/model-long-conv-finetuned.safetensors"
    contract = json.loads(run("info", tuned, "--json")[1])["contract"]
    assert contract["labels"] == ["cat", "dog", "shoe"] and len(contract["provenance"]["inputs"]) == 4 + 1 + 4, contract
    assert "trained on 2 of the 2 runs" in error_of("evaluate", tuned, other, out / "x")
    (out / "back.tsv").write_text("from\tto\nface\tcat\nhouse\tdog\n")  # what the start was trained on counts too
    assert "trained on 2 of the 2 runs" in error_of("evaluate", tuned, first, out / "x", "--labels", out / "back.tsv")
    run("finetune", ridge, second, out / "near", *tune)
    found = results(out / "near")
    assert [entry["name"] for entry in found["models"]] == ["ridge", "ridge-finetuned"]
    at_least("ridge towards its old weights", accuracy(found, "ridge-finetuned"), 0.9)
    assert "start from a network" in error_of("finetune", ridge, other, out / "x", *tune, status=2)
    assert "cannot be a start" in error_of("finetune", logistic, second, out / "x", *tune, status=2)
    assert "trained on 2 of the 2 runs" in error_of("finetune", network, first, out / "x", *tune)

    # interpret: the voxels that carry the labels, and what the model itself says
    run("interpret", ridge, second, out / "maps", "--attribution", "gradient,integrated-gradients")
    found = results(out / "maps")
    methods = {row["method"]: row for row in found["faithfulness"]}
    assert set(methods) == {"gradient", "integrated-gradients"}
    assert methods["integrated-gradients"]["gain_over_random"] > 3 * methods["integrated-gradients"]["standard_error"]
    assert methods["integrated-gradients"]["completeness_residual"] < 1e-3
    for label in ("face", "house"):
        for method in ("gradient", "integratedGradients", "pattern"):
            assert (out / f"maps/maps/desc-ridge_label-{label}_stat-{method}_statmap.nii.gz").exists()
    assert "What ridge looks at in tiny" in (out / "maps/report.html").read_text()
    without = out / "without"
    shutil.copytree(second, without)
    for path in without.rglob("*_events.tsv"):
        path.unlink()
    assert "events" in error_of("interpret", ridge, without, out / "x")
    run("interpret", network, without, out / "own", "--target", "predicted", "--attribution", "gradient")
    assert results(out / "own")["faithfulness"][0]["samples"] == 2 * (104 // 6)
    assert "did you mean" in error_of("interpret", ridge, second, out / "x", "--attribution", "gradeint", status=2)
