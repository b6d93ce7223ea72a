"""noema glm on a simulated dataset: the group's models against numbers computed here, F, responses, noise, residuals,
reuse, several subjects at once, and BIDS Stats Models against the same questions as options."""
import gzip
import json
import math
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import damage
from command import Folder, results, run

QUESTION = ["--contrast", "difference=state1 - state2"]
SUBJECTS = ["01", "02", "03", "04"]


def image(path):
    content = gzip.decompress(path.read_bytes())
    offset = int(struct.unpack_from("<f", content, 108)[0])
    return struct.unpack_from(f"<{(len(content) - offset) // 4}f", content, offset)


def maps(folder, contrast, stat):
    return image(folder / "maps" / f"contrast-{contrast}_stat-{stat}_statmap.nii.gz")


def of_subject(folder, subject, contrast, stat):
    return image(folder / f"sub-{subject}" / "func" / f"sub-{subject}_contrast-{contrast}_stat-{stat}_statmap.nii.gz")


def bytes_of(folder):
    return {path.name: path.read_bytes() for path in sorted((folder / "maps").glob("*.nii.gz"))}


def table(path):
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    return lines[0], lines[1:]


def two_groups(data, out):
    """Two-sample t by hand: groups a (01, 02) and b (03, 04)."""
    run("glm", data, out, *QUESTION, "--group-formula", "group", "--group-contrast", "more=group[b] - group[a]")
    effects = [of_subject(out, subject, "difference", "effect") for subject in SUBJECTS]
    t, p, z = (maps(out, "differenceMore", stat) for stat in "tpz")
    checked = 0
    for v, values in enumerate(zip(*effects)):
        if not any(values):
            continue
        a, b = values[:2], values[2:]
        squares = sum((x - sum(g) / 2) ** 2 for g in (a, b) for x in g)
        expected = (sum(b) / 2 - sum(a) / 2) / math.sqrt(squares / 2)  # s²·(1/2 + 1/2), s² = squares/2
        assert abs(t[v] - expected) < 1e-3 * max(1, abs(expected)), (v, t[v], expected)
        tail = 0.5 - t[v] / (2 * math.sqrt(2 + t[v] ** 2))  # Student's t of two degrees of freedom
        assert abs(p[v] - tail) < 1e-5 and (z[v] > 0) == (t[v] > 0), (v, p[v], tail)
        checked += 1
    assert checked > 100, checked
    entry = results(out)["contrasts"][0]
    assert entry["name"] == "difference: more" and entry["df"] == 2 and entry["statistic"] == "t", entry
    model = json.loads((out / "maps" / "group_model.json").read_text())
    assert model["subjects"] == SUBJECTS and model["columns"] == ["group[a]", "group[b]"], model
    errors, _ = run("glm", data, out, *QUESTION, "--group-formula", "grup", status=2)
    assert "did you mean 'group'" in errors, errors


def what_is_kept(data, out):
    names, rows = table(out / "sub-02" / "func" / "sub-02_task-states_run-02_design.tsv")
    assert names[:2] == ["state1", "state2"] and names[-1] == "constant" and len(rows) > 20, names
    model = json.loads((out / "sub-02" / "func" / "sub-02_desc-glm_model.json").read_text())
    assert [entry["run"] for entry in model["runs"]] == ["sub-02_task-states_run-01", "sub-02_task-states_run-02"]
    assert model["runs"][1]["columns"] == names and model["contrasts"][0]["formula"] == "state1 - state2", model
    for file in results(out)["files"]:
        assert (out / file).exists(), file
    func = out / "sub-02" / "func"
    assert json.loads((func / "sub-02_task-states_run-02_design.json").read_text())["RepetitionTime"] == 2
    described = json.loads((func / "sub-02_statmap.json").read_text())
    assert described["ModelParameters"]["drift"] == "cosine" and "rsquared" in described["Description"], described
    share = image(func / "sub-02_task-states_run-02_stat-rsquared_statmap.nii.gz")
    assert all(0 <= value < 1 for value in share) and max(share) > 0.2, (min(share), max(share))


def scalings_and_drifts(data, folder):
    """Effects in percent of three things, and powers of time in place of cosines."""
    one = ["--participant-label", "01", "--run", "01", *QUESTION, "--noise", "ols"]
    for scaling in ("voxel", "grand", "none", "volume"):
        run("glm", data, folder / scaling, *one, "--scaling", scaling, "--high-pass", "none", "--drift-order", "2")
    names, _ = table(folder / "grand" / "sub-01" / "func" / "sub-01_task-states_run-01_design.tsv")
    assert [name for name in names if name.startswith("drift")] == ["drift_1", "drift_2"], names
    raw, percent, grand = (maps(folder / name, "difference", "effect") for name in ("none", "voxel", "grand"))
    ratios = [b / a for a, b in zip(raw, grand) if a != 0]
    assert len(ratios) > 50 and max(ratios) - min(ratios) < 1e-3 * max(ratios), "one factor for all voxels"
    own = [b / a for a, b in zip(raw, percent) if a != 0]
    assert max(own) - min(own) > 1e-3 * max(own) and min(own) > 0, "a factor for each voxel"
    assert abs(math.log(ratios[0] / (sum(own) / len(own)))) < 0.2, "about the same"
    t = [maps(folder / name, "difference", "t") for name in ("none", "voxel", "grand", "volume")]
    for other in t[1:3]:
        assert all(abs(a - b) < 1e-3 * max(1, abs(a)) for a, b in zip(t[0], other))
    assert any(abs(a - b) > 1e-2 for a, b in zip(t[0], t[3])), "what volumes share is taken away"
    model = json.loads((folder / "grand" / "sub-01" / "func" / "sub-01_desc-glm_model.json").read_text())
    assert model["scaling"] == "grand" and model["drift"] == "polynomial" and model["drift_order"] == 2, model
    assert "powers of time up to 2 as drifts" in (folder / "grand" / "report.html").read_text()
    errors, _ = run("glm", data, folder / "bad", *QUESTION, "--drift-order", "2", status=2)
    assert "--high-pass none" in errors, errors
    run("glm", data, folder / "flat", *one, "--high-pass", "none", "--drift-order", "0")
    names, _ = table(folder / "flat" / "sub-01" / "func" / "sub-01_task-states_run-01_design.tsv")
    assert names == ["state1", "state2", "constant"], names


def reuse(data, folder):
    out = folder / "kept"
    words = ["glm", data, out, *QUESTION]
    errors, _ = run(*words, "--n-procs", "2")
    assert "reused" not in errors, errors
    before = bytes_of(out)
    errors, _ = run(*words)
    assert "4 of 4 subjects were finished before and are reused" in errors and "reading sub-" not in errors, errors
    assert bytes_of(out) == before, "kept maps give the same group"
    run("glm", data, folder / "again", *QUESTION)
    assert bytes_of(folder / "again") == before, "several at once give what one after the other gives"
    errors, _ = run(*words, "--noise", "ar2")
    assert "was computed again: the preprocessing options changed" in errors, errors
    assert bytes_of(out) != before
    damage.events(data, "03").write_text(damage.events(data, "03").read_text().replace("state1", "state2", 1))
    errors, _ = run(*words, "--noise", "ar2")
    assert "3 of 4 subjects were finished before" in errors and "subject '03' was computed again" in errors, errors
    for subject in SUBJECTS:
        run("glm", data, folder / "parts", "participant", "--participant-label", subject, *QUESTION, "--noise", "ar2")
    errors, _ = run("glm", data, folder / "parts", "group", *QUESTION, "--noise", "ar2")
    assert "4 of 4 subjects were finished before" in errors, errors
    assert bytes_of(folder / "parts") == bytes_of(out), "subjects one by one and then the group"


def others_go_on(data, folder):
    """A subject whose image or events cannot be read leaves a crash file; the group is that of the others."""
    damage.bold(data, "01").write_bytes(damage.bold(data, "01").read_bytes()[:200])
    text = damage.events(data, "03").read_text().splitlines()
    damage.events(data, "03").write_text("\n".join([text[0], "now" + text[1][text[1].index("\t"):], *text[2:]]) + "\n")
    out = folder / "without"
    errors, _ = run("glm", data, out, *QUESTION, status=1)
    found = results(out)
    assert sorted(found["failed_subjects"]) == ["01", "03"] and found["subjects"] == ["02", "04"], found["subjects"]
    for subject in ("01", "03"):
        assert (out / "logs" / f"crash-sub-{subject}.txt").exists(), subject
    assert found["contrasts"][0]["subjects"] == 2 and any(value != 0 for value in maps(out, "difference", "t"))


def voxels_without_data(data, folder):
    """Constant in one run of one subject: no effect of 0 of that subject's, but no answer of the group."""
    run("glm", data, folder / "all-voxels", *QUESTION)
    whole = {stat: maps(folder / "all-voxels", "difference", stat) for stat in ("effect", "t", "z")}
    mask = gzip.decompress(next(damage.func(data, "03").glob("*run-02*_mask.nii.gz")).read_bytes())[352:]
    holes = [voxel for voxel, inside in enumerate(mask) if inside][:5]
    assert all(whole["t"][voxel] != 0 for voxel in holes)
    damage.spoil_voxels(damage.bold(data, "03", "02"), next(damage.func(data, "03").glob("*run-02*_mask.nii.gz")), 5, 700)
    out = folder / "holes"
    errors, _ = run("glm", data, out, *QUESTION)
    inside = sum(map(bool, mask))
    assert f"5 of {inside} voxels have no data in at least one subject and are left out of the group" in errors, errors
    for stat, before in whole.items():
        found = maps(out, "difference", stat)
        for voxel, value in enumerate(found):
            assert value == (0 if voxel in holes else before[voxel]), (stat, voxel, value, before[voxel])


def slices_shifted_to_the_begin(data, folder):
    """A StartTime of 0 says so, whatever --slice-time-reference says for runs without one."""
    one = ["--participant-label", "01", *QUESTION]

    def t_map(name, start, *words):
        for run_label in ("01", "02"):
            damage.set_json(damage.sidecar(damage.bold(data, "01", run_label)), StartTime=start)
        run("glm", data, folder / name, *one, *words)
        return maps(folder / name, "difference", "t")

    begin = t_map("said", 0)
    assert begin == t_map("said-beside-option", 0, "--slice-time-reference", "0.25")
    assert begin == t_map("by-option", None, "--slice-time-reference", "0")
    assert begin != t_map("middle", None)


def questions(data, folder):
    out = folder / "f"
    one = ["--participant-label", "01"]
    run("glm", data, out, *one, "--contrast", "any=state1; state2", "--contrast", "one=state1;", "--contrast", "t=state1")
    entry = next(e for e in results(out)["contrasts"] if e["name"] == "any")
    assert entry["statistic"] == "F" and entry["max"]["t"] > 0 and entry["min"]["t"] >= 0, entry
    for f, t in zip(maps(out, "one", "F"), maps(out, "t", "t")):
        assert abs(f - t * t) < 1e-3 * max(1, f), (f, t)
    assert not (out / "maps" / "contrast-any_stat-effect_statmap.nii.gz").exists()

    run("glm", data, folder / "fir", *one, "--hrf", "fir", "--fir-delays", "0,2,4")
    names, _ = table(folder / "fir" / "sub-01" / "func" / "sub-01_task-states_run-01_design.tsv")
    assert names[:4] == ["state1_delay_0", "state1_delay_2", "state1_delay_4", "state2_delay_0"], names
    assert [e["statistic"] for e in results(folder / "fir")["contrasts"]] == ["F", "F"]
    run("glm", data, folder / "fir", "--fir-delays", "1", status=2)

    run("glm", data, folder / "left", *one, *QUESTION, "--save-residuals", "--noise", "ols", "--confound-columns", "trans_*")
    names, rows = table(folder / "left" / "sub-01" / "func" / "sub-01_task-states_run-01_design.tsv")
    assert "trans_x" in names and "trans_z" in names, names
    left = image(folder / "left" / "sub-01" / "func" / "sub-01_task-states_run-01_desc-residuals_bold.nii.gz")
    voxels = len(left) // len(rows)
    inside = max(range(voxels), key=lambda v: abs(left[v]))
    for column in range(len(names)):
        product = sum(float(row[column]) * left[t * voxels + inside] for t, row in enumerate(rows))
        size = math.sqrt(sum(float(row[column]) ** 2 for row in rows) * sum(x * x for x in left[inside::voxels]))
        assert abs(product) < 1e-4 * size, (names[column], product, size)
    errors, _ = run("glm", data, folder / "bad", *QUESTION, "--confound-columns", "trans_w", status=1)
    assert "trans_w" in errors, errors


def f_over_subjects(data, folder):
    """Hotelling's T² of two rows over four subjects, from their effects."""
    out = folder / "group-f"
    run("glm", data, out, "--contrast", "any=state1; state2; state1 - state2", "--contrast", "one=state1;", "--contrast", "t=state1")
    rows = [[of_subject(out, subject, "any", f"effect{row}") for subject in SUBJECTS] for row in (1, 2)]
    assert not (out / "sub-01" / "func" / "sub-01_contrast-any_stat-effect3_statmap.nii.gz").exists(), "of two directions"
    found, effect = maps(out, "any", "F"), maps(out, "any", "effect2")
    checked = 0
    for v, (a, b) in enumerate(zip(zip(*rows[0]), zip(*rows[1]))):
        if not any(a):
            continue
        means = sum(a) / 4, sum(b) / 4
        aa, ab, bb = (sum((x - means[i]) * (y - means[j]) for x, y in zip(p, q)) / 3
                      for i, j, p, q in ((0, 0, a, a), (0, 1, a, b), (1, 1, b, b)))
        t_squared = 4 * (bb * means[0] ** 2 - 2 * ab * means[0] * means[1] + aa * means[1] ** 2) / (aa * bb - ab * ab)
        expected = t_squared * 2 / (2 * 3)  # of 2 and 2 degrees of freedom
        assert abs(found[v] - expected) < 1e-2 * max(1, expected), (v, found[v], expected)
        assert abs(effect[v] - means[1]) < 1e-4 * max(1, abs(means[1])), (v, effect[v], means[1])
        checked += 1
    assert checked > 100, checked
    entry = next(e for e in results(out)["contrasts"] if e["name"] == "any")
    assert entry["statistic"] == "F" and entry["df"] == 2, entry
    for f, t in zip(maps(out, "one", "F"), maps(out, "t", "t")):
        assert abs(f - t * t) < 1e-3 * max(1, f), (f, t)
    before = bytes_of(out)
    errors, _ = run("glm", data, out, "--contrast", "any=state1; state2; state1 - state2", "--contrast", "one=state1;", "--contrast", "t=state1")
    assert "4 of 4 subjects were finished before" in errors and bytes_of(out) == before, errors

    # Of a group contrast that is F too there is no one statistic; with too few subjects there is no map.
    errors, _ = run("glm", data, folder / "group-ff", "--contrast", "any=state1; state2", "--group-formula", "group",
                    "--group-contrast", "both=group[a]; group[b]", status=2)
    assert "'any'" in errors and "'both'" in errors and not list((folder / "group-ff").glob("sub-*")), errors
    errors, _ = run("glm", data, folder / "group-few", "--participant-label", "01,02", "--contrast", "any=state1; state2", "--permutations", "3")
    assert "needs 3 subjects" in errors and not list((folder / "group-few" / "maps").glob("*any*")), errors


def move_to_session(data, run_label, session):
    """The files of one run of subject 01."""
    for base in (data, data / "derivatives" / "simulated"):
        to = base / "sub-01" / f"ses-{session}" / "func"
        to.mkdir(parents=True, exist_ok=True)
        for path in (base / "sub-01" / "func").glob(f"sub-01_*run-{run_label}_*"):
            path.rename(to / path.name.replace("sub-01_", f"sub-01_ses-{session}_", 1))


def sessions_and_wildcards(folder):
    """Runs 01 and 02 of session a and run 03 of b: the mean over sessions of the means over runs."""
    data = damage.simulate(folder / "sessions", subjects=1, runs=3, states=3, voxel=4)
    effects = []
    for run_label in ("01", "02", "03"):
        out = folder / f"one-{run_label}"
        run("glm", data, out, "--run", run_label, "--contrast", "first=state1 - state2,second=state2", "--high-pass", "0.01",
            "--confound-columns", "rot_x", "--confound-columns", "rot_y", "--mask", mask_of(data))
        effects.append([maps(out, name, "effect") for name in ("first", "second")])
    for run_label, session in (("01", "a"), ("02", "a"), ("03", "b")):
        move_to_session(data, run_label, session)
    node = {"Level": "Run", "Name": "run", "GroupBy": ["run", "session", "subject"],
            "Transformations": {"Transformer": "pybids-transforms-v1",
                                "Instructions": [{"Name": "Factor", "Input": ["trial_type"]},
                                                 {"Name": "Convolve", "Input": ["trial_type.*"], "Model": "spm"}]},
            "Model": {"Type": "glm", "X": ["trial_type.st?te[12]", "trial_type.state3", "rot_[!z]", 1],
                      "Options": {"HighPassFilterCutoffHz": 0.01}},
            "Contrasts": [{"Name": "first", "ConditionList": ["trial_type.state1", "trial_type.state2"], "Weights": [1, -1],
                           "Test": "t"}],
            "DummyContrasts": {"Test": "t", "Conditions": ["trial_type.*2"]}}
    session = {"Level": "Session", "Name": "session", "GroupBy": ["session", "subject", "contrast"],
               "Model": {"X": [1], "Type": "meta"},
               "Contrasts": [{"Name": "second", "ConditionList": ["state2"], "Weights": [1], "Test": "t"}],
               "DummyContrasts": {"Test": "t"}}
    model = {"Name": "states", "BIDSModelVersion": "1.0.0", "Nodes": [node, session]}
    file = folder / "sessions.json"

    def write():
        file.write_text(json.dumps(model))
        return file

    out = folder / "by-session"
    run("glm", data, out, "--model", write(), "--mask", mask_of(data))
    names, _ = table(out / "sub-01" / "func" / "sub-01_ses-a_task-states_run-01_design.tsv")
    assert names[:3] == ["state1", "state2", "state3"] and "rot_x" in names and "rot_y" in names, names
    assert "rot_z" not in names and "trans_x" not in names, names
    assert sorted(entry["name"] for entry in results(out)["contrasts"]) == ["first", "second", "state2"]
    for place, name in enumerate(("first", "second")):
        kept = {s: image(out / "sub-01" / f"ses-{s}" / "func" / f"sub-01_ses-{s}_contrast-{name}_stat-effect_statmap.nii.gz")
                for s in "ab"}
        found = of_subject(out, "01", name, "effect")
        by_run = [effects[r][place] for r in range(3)]
        largest = max(abs(x) for x in by_run[0])
        assert largest > 0
        for v, (one, two, three) in enumerate(zip(*by_run)):
            for value, expected in ((kept["a"][v], (one + two) / 2), (kept["b"][v], three),
                                    (found[v], ((one + two) / 2 + three) / 2)):
                assert abs(value - expected) < 1e-4 * largest, (name, v, value, expected)
    for file_name in results(out)["files"]:
        assert (out / file_name).exists(), file_name
    errors, _ = run("glm", data, out, "--model", file, "--mask", mask_of(data))
    assert "1 of 1 subjects were finished before" in errors, errors

    # Dummy contrasts that name contrasts let those alone pass; one asked twice is one.
    session["DummyContrasts"]["Contrasts"] = ["first"]
    node["DummyContrasts"]["Conditions"] += ["trial_type.state3", "trial_type.state3"]
    named = folder / "named"
    run("glm", data, named, "--model", write(), "--mask", mask_of(data))
    assert sorted(entry["name"] for entry in results(named)["contrasts"]) == ["first", "second"]
    session["DummyContrasts"]["Contrasts"] = ["third"]
    errors, _ = run("glm", data, folder / "refused", "--model", write(), status=2)
    assert "'third'" in errors and "no contrast of the level below" in errors, errors
    # What a subject asks leaves the maps of its sessions.
    session["DummyContrasts"]["Contrasts"] = ["first"]
    model["Nodes"].append({"Level": "Subject", "Name": "subject", "GroupBy": ["subject", "contrast"],
                           "Model": {"X": [1], "Type": "meta"},
                           "Contrasts": [{"Name": "double", "ConditionList": ["first"], "Weights": [2], "Test": "t"}]})
    both = folder / "both-levels"
    run("glm", data, both, "--model", write(), "--mask", mask_of(data))
    kept = image(both / "sub-01" / "ses-a" / "func" / "sub-01_ses-a_contrast-first_stat-effect_statmap.nii.gz")
    assert kept == image(out / "sub-01" / "ses-a" / "func" / "sub-01_ses-a_contrast-first_stat-effect_statmap.nii.gz")
    twice, once = of_subject(both, "01", "double", "effect"), of_subject(out, "01", "first", "effect")
    assert all(abs(a - 2 * b) <= 1e-4 * largest for a, b in zip(twice, once))
    model["Nodes"].pop()

    node["Contrasts"][0]["ConditionList"][0] = "trial_type.*"
    errors, _ = run("glm", data, folder / "refused", "--model", write(), status=2)
    assert "'trial_type.*'" in errors and "single columns" in errors, errors
    node["Contrasts"][0]["ConditionList"][0] = "trial_type.state1"
    node["Model"]["X"][0] = "trial_type.face*"
    errors, _ = run("glm", data, folder / "refused", "--model", write(), status=2)
    assert "'face*'" in errors and "state1, state2, state3" in errors, errors


def mask_of(data):
    return next((data / "derivatives").rglob("sub-01*_run-01_*brain_mask.nii.gz"))


def stats_model(data, folder):
    convolve = {"Name": "Convolve", "Input": ["trial_type.*"], "Model": "glover", "Derivative": True}
    contrast = {"Name": "difference", "ConditionList": ["trial_type.state1", "trial_type.state2"],
                "Weights": [1, -1], "Test": "t"}
    both = {"Name": "any", "ConditionList": ["trial_type.state1", "trial_type.state2"],
            "Weights": [[1, 0], [0, 1]], "Test": "F"}
    node = {"Level": "Run", "Name": "run", "GroupBy": ["run", "subject"],
            "Transformations": {"Transformer": "pybids-transforms-v1",
                                "Instructions": [{"Name": "Factor", "Input": ["trial_type"]}, convolve]},
            "Model": {"Type": "glm", "X": ["trial_type.*", "trans_x", 1], "Options": {"HighPassFilterCutoffHz": 0.01}},
            "Contrasts": [contrast, both]}
    group = {"Level": "Dataset", "Name": "group", "GroupBy": ["contrast"],
             "Transformations": {"Transformer": "pybids-transforms-v1", "Instructions": [{"Name": "Factor", "Input": ["group"]}]},
             "Model": {"Type": "glm", "X": ["group.a", "group.b"]},
             "Contrasts": [{"Name": "more", "ConditionList": ["group.b", "group.a"], "Weights": [1, -1], "Test": "t"}]}
    subject = {"Level": "Subject", "Name": "subject", "GroupBy": ["subject", "contrast"], "Model": {"X": [1], "Type": "meta"},
               "DummyContrasts": {"Test": "t"}}
    model = {"Name": "states", "BIDSModelVersion": "1.0.0", "Input": {"task": ["states"]}, "Nodes": [node, subject, group],
             "Edges": [{"Source": "run", "Destination": "subject"}, {"Source": "subject", "Destination": "group"}]}
    file = folder / "model.json"
    file.write_text(json.dumps(model))
    run("glm", data, folder / "by-model", "--model", file)
    run("glm", data, folder / "by-words", *QUESTION, "--contrast", "any=state1; state2", "--hrf", "glover+derivative",
        "--high-pass", "0.01", "--confound-columns", "trans_x", "--group-formula", "group",
        "--group-contrast", "more=group[b] - group[a]")
    assert bytes_of(folder / "by-model") == bytes_of(folder / "by-words") != {}
    group["Model"]["X"] = ["group.*"]
    file.write_text(json.dumps(model))
    run("glm", data, folder / "by-wildcard", "--model", file)
    assert bytes_of(folder / "by-wildcard") == bytes_of(folder / "by-model")
    group["Model"]["X"] = ["*"]
    file.write_text(json.dumps(model))
    errors, _ = run("glm", data, folder / "refused", "--model", file, status=2)
    assert "as in group.*" in errors, errors
    assert of_subject(folder / "by-model", "02", "any", "F") == of_subject(folder / "by-words", "02", "any", "F")

    node["Transformations"]["Instructions"].append({"Name": "Scale", "Input": ["trans_x"]})
    file.write_text(json.dumps(model))
    errors, _ = run("glm", data, folder / "refused", "--model", file, status=1)
    assert "Nodes[0].Transformations.Instructions[2].Name" in errors and "'Scale'" in errors, errors
    run("glm", data, folder / "refused", "--model", file, *QUESTION, status=2)
    assert not (folder / "refused").exists()


with Folder() as folder:
    data = damage.simulate(folder / "data", subjects=4, voxel=4)
    (data / "participants.tsv").write_text(
        "participant_id\tgroup\tage\n" + "".join(f"sub-{s}\t{'a' if s < '03' else 'b'}\t{20 + int(s)}\n" for s in SUBJECTS))
    two_groups(data, folder / "groups")
    what_is_kept(data, folder / "groups")
    questions(data, folder)
    scalings_and_drifts(data, folder)
    f_over_subjects(data, folder)
    stats_model(data, folder)
    sessions_and_wildcards(folder)
    reuse(damage.copy(data, folder / "changing"), folder)
    others_go_on(damage.copy(data, folder / "broken"), folder)
    voxels_without_data(damage.copy(data, folder / "spoilt"), folder)
    slices_shifted_to_the_begin(damage.copy(data, folder / "shifted"), folder)
