"""glm, compare, report and preprocess on a small simulated dataset: what they write, say and refuse."""
import json
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from command import Folder, accuracy, at_least, results, run


def compare(*words):
    return json.loads(run("compare", *words, "--json")[1])


def refuses(status, *words, says):
    errors, _ = run(*words, status=status)
    for text in says:
        assert text in errors, f"expected '{text}' in: {errors}"


with Folder() as out:
    data, truth = out / "data", out / "data" / "ground-truth" / "maps.nii.gz"
    run("simulate", data, "--subjects", "3", "--runs", "2", "--states", "3", "--shape", "14,16,12", "--level", "0.4",
        "--seed", "1")
    common = ["--permutations", "10", "--attribution", "gradient"]
    run("preprocess", data, out / "a")
    table = (out / "a" / "preprocessing.tsv").read_text().splitlines()
    assert len(table) == 4 and all("\tcomputed\t2\t" in line for line in table[1:]), table
    messages, _ = run("decode", data, out / "a", "--model", "ridge,mlp", "--seeds", "1", "--epochs", "3", *common)
    assert "3 of 3 subjects were finished before" in messages, messages
    labels = results(out / "a")["labels"]

    # The page made again is the page that decode wrote; it needs the files that results.json names.
    page = (out / "a" / "report.html").read_text()
    (out / "a" / "report.html").unlink()
    run("report", out / "a")
    assert (out / "a" / "report.html").read_text() == page
    assert all(words in page for words in ("training loss", "Design matrix", "Permutation null", "Delay of the response"))
    stored = results(out / "a")
    assert stored["training"][0]["model"] == "mlp" and len(stored["training"][0]["runs"][0]) == 3
    assert len(next(m for m in stored["models"] if m["name"] == "ridge")["permutation_null"]) == 10
    a_map = out / "a" / stored["maps"][0]["file"]
    shutil.move(a_map, out / "aside.nii.gz")
    refuses(1, "report", out / "a", says=[a_map.name])
    shutil.move(out / "aside.nii.gz", a_map)
    refuses(1, "report", data, says=["results.json", "noema decode"])
    refuses(2, "report", out / "nowhere", says=["nowhere"])

    # The general linear model finds what was simulated; its page can be made again too.
    run("glm", data, out / "glm")
    found = results(out / "glm")
    assert [entry["name"] for entry in found["contrasts"]] == [*labels, "all"]
    assert found["contrasts"][0]["df"] == 2 and found["contrasts"][0]["max"]["t"] > 0 > found["contrasts"][0]["min"]["t"]
    assert (out / "glm" / "sub-01" / "func" / f"sub-01_contrast-{labels[0]}_stat-t_statmap.nii.gz").exists()
    page = (out / "glm" / "report.html").read_text()
    run("report", out / "glm")
    assert (out / "glm" / "report.html").read_text() == page and "Largest t" in page
    effect = out / "glm" / "maps" / f"contrast-{labels[0]}_stat-effect_statmap.nii.gz"
    right = compare(effect, truth, "--second-contrast", "0", "--part", "signed")
    wrong = compare(effect, truth, "--second-contrast", "1", "--part", "signed")
    at_least("GLM contrast and truth", right["pearson"], 0.6)
    assert wrong["pearson"] < 0.3, wrong
    refuses(2, "glm", data, out / "bad", "--contrast", f"x={labels[0]} - nothing", says=["nothing", "contrast 'x'"])
    refuses(2, "glm", data, out / "bad", "--contrast", f"{labels[0]}", says=["NAME=FORMULA"])
    refuses(2, "glm", data, out / "bad", "--contrast", f"a b={labels[0]}", f"a_b={labels[1]}", says=["rename one"])
    refuses(2, "glm", data, out / "bad", "--slice-time-reference", "2", says=["from 0 to 1"])

    # Clusters that each model finds in its training samples; maps and the kept model are of voxels.
    run("decode", data, out / "rena", "--model", "ridge,mlp", "--seeds", "1", "--epochs", "3", "--features", "rena:120",
        "--no-glm", *common)
    found = results(out / "rena")
    at_least("ridge on clusters", accuracy(found, "ridge"), 0.8)
    names = [Path(entry["file"]).name for entry in found["maps"]]
    assert f"desc-ridge_label-{labels[0]}_stat-gradient_statmap.nii.gz" in names, names
    pattern = out / "rena" / "maps" / f"desc-ridge_label-{labels[0]}_stat-pattern_statmap.nii.gz"
    at_least("patterns of clusters and truth", compare(pattern, truth, "--second-contrast", "0", "--part",
                                                       "signed")["pearson"], 0.4)
    info = json.loads(run("info", out / "rena" / "model-ridge.safetensors", "--json")[1])
    assert info["contract"]["feature_kind"] == "voxels", info
    said = run("predict", out / "rena" / "model-ridge.safetensors", data, out / "predicted")[1].split()
    assert len(said) == 6 and all(Path(path).exists() for path in said), said
    refuses(2, "decode", data, out / "bad", "--features", "rena:1", says=["rena:N"])
    refuses(2, "decode", data, out / "bad", "--features", "rena:9", "--model", "cnn3d", says=["--features voxels"])
    refuses(2, "preprocess", data, out / "bad", "--features", "rena:9", says=["decode and train"])

    # Confounds of the data themselves, for runs without a confounds file.
    bare = shutil.copytree(data, out / "bare")
    for table in bare.rglob("*desc-confounds_timeseries.*"):
        table.unlink()
    refuses(1, "preprocess", bare, out / "bad", "--confounds", "motion", says=["no confounds file", "high-variance"])
    run("preprocess", bare, out / "variance", "--confounds", "high-variance:3")

    # Images: themselves, smoothed, parts, volumes.
    same = compare(effect, effect)
    assert [row["part"] for row in same] == ["signed", "absolute", "positive part"], same
    assert all(abs(row["pearson"] - 1) < 1e-12 and row["dice"]["top_0.05"] == 1 for row in same)
    assert compare(effect, effect, "--fwhm", "8", "--part", "signed")["pearson"] < 0.999
    run("compare", effect, truth, out / "pair", "--second-volume", "0")
    assert len(results(out / "pair")["agreement"]) == 3 and (out / "pair" / "agreement.tsv").exists()
    assert "<svg" in (out / "pair" / "report.html").read_text()
    refuses(2, "compare", effect, truth, says=["3 volumes", "--second-volume"])
    refuses(2, "compare", effect, truth, "--second-volume", "7", says=["0 to 2"])
    refuses(2, "compare", effect, effect, "--second-contrast", "0", says=["at least 2"])
    refuses(2, "compare", effect, out / "a", says=["folder"])
    run("simulate", out / "other", "--subjects", "1", "--runs", "2", "--shape", "10,10,10")
    refuses(1, "compare", effect, out / "other" / "ground-truth" / "maps.nii.gz", "--second-volume", "0",
            says=["resample", "14×16×12", "10×10×10"])

    # Folders: the same split or a refusal.
    run("decode", data, out / "b", "--model", "ridge", "--screening-features", "20", "--no-glm", *common)
    _, text = run("compare", out / "a", out / "b", out / "folders", "--json")
    rows = {row["model"]: row for row in json.loads(text)}
    assert set(rows) == {"ridge", "majority", "nuisance"}, rows
    assert abs(rows["ridge"]["difference"] - (rows["ridge"]["first"] - rows["ridge"]["second"])) < 1e-12
    assert rows["majority"]["difference"] == 0 and rows["majority"]["p"] == 1
    both = results(out / "folders")
    assert {"ridge (first)", "ridge (second)"} <= {entry["name"] for entry in both["models"]}
    assert len(both["comparisons"]) == 3
    run("decode", data, out / "c", "--model", "ridge", "--split", "run", "--no-glm", *common)
    refuses(1, "compare", out / "a", out / "c", says=["different splits", "split.tsv"])
    refuses(1, "compare", out / "a", out / "glm", says=["has no scores"])
    refuses(2, "compare", out / "a", out / "b", "--fwhm", "4", says=["--fwhm is for images"])
    refuses(2, "preprocess", data, out / "d", "--participant-label", "09", says=["09"])
