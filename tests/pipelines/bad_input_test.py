"""Input that cannot be decoded is refused with one clear message, nothing partial is left, and small flaws are counted."""
import json
import resource
import signal
import struct
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import damage
from command import NOEMA, Folder, results, run
from damage import FAST, bold, check_no_partial_output, copy, edit_image, events, func, interrupt, refused, set_json, sidecar

failures = []


def case(function):
    """Runs one case in a folder of its own; the others go on when it fails."""
    with Folder() as folder:
        print(f"--- {function.__name__}", flush=True)
        try:
            function(folder, folder / "out")
        except Exception as error:  # noqa: BLE001: each failure is told at the end
            failures.append(f"{function.__name__}: {type(error).__name__}: {error}")
            print("BAD", failures[-1], flush=True)


def check_one_failed(data, out, *told):
    """Subject 01 fails with a crash file, subject 02 is finished, and the exit status says so."""
    err, _ = run("decode", data, out, *FAST, "--split", "run", status=1)
    crash = (out / "logs" / "crash-sub-01.txt").read_text()
    for part in told:
        assert str(part) in crash and str(part) in err, part
    assert "1 of 2 subjects failed" in err, err
    found = results(out)
    assert found["failed_subjects"] == ["01"] and found["subjects"] == ["02"], found
    assert not (out / "logs" / "crash-sub-02.txt").exists()
    assert not [name for name in damage.files(out) if ".noema-tmp-" in name]


with Folder() as base:
    DATA = damage.simulate(base / "data")

    @case
    def truncated(folder, out):
        data = copy(DATA, folder / "data")
        content = bold(data).read_bytes()
        bold(data).write_bytes(content[:len(content) // 2])
        check_one_failed(data, out, bold(data))
        # Mended: the crash file goes, the other subject's result is taken as it is.
        bold(data).write_bytes(content)
        err, _ = run("decode", data, out, *FAST)
        assert "1 of 2 subjects were finished before and are reused: 02" in err, err
        assert not (out / "logs" / "crash-sub-01.txt").exists()
        assert results(out)["failed_subjects"] == []

    @case
    def corrupt_data(folder, out):
        data = copy(DATA, folder / "data")
        content = bytearray(bold(data).read_bytes())
        for i in range(len(content) // 2, len(content) // 2 + 200):
            content[i] ^= 0x55
        bold(data).write_bytes(content)
        check_one_failed(data, out, bold(data))

    @case
    def corrupt_header(folder, out):
        data = copy(DATA, folder / "data")
        bold(data).write_bytes(b"this is no image at all, whatever its name says")
        check_one_failed(data, out, bold(data))

    @case
    def corrupt_mask_of_a_run(folder, out):
        data = copy(DATA, folder / "data")
        mask = next(func(data).glob("*run-02*_mask.nii.gz"))
        mask.write_bytes(mask.read_bytes()[:60])
        check_one_failed(data, out, mask)

    @case
    def corrupt_events(folder, out):
        data = copy(DATA, folder / "data")
        events(data).write_text("onset\tduration\ttrial_type\nnow\t4\tstate1\n")
        check_one_failed(data, out, events(data), "onset")

    @case
    def raw_runs_truncated(folder, out):
        data = folder / "data"
        data.mkdir()
        (data / "dataset_description.json").write_text('{"Name": "raw", "BIDSVersion": "1.9.0"}')
        (data / "task-states_bold.json").write_text('{"RepetitionTime": 2, "TaskName": "states"}')
        for subject in ("01", "02"):
            for index in ("01", "02"):
                path = data / events(DATA, subject, index).relative_to(DATA)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(events(DATA, subject, index).read_bytes())
                raw = path.with_name(path.name.replace("events.tsv", "bold.nii.gz"))
                content = bold(DATA, subject, index).read_bytes()
                raw.write_bytes(content[:3000] if (subject, index) == ("01", "02") else content)
        # No masks: the brain is found in each run, which reads the images before any subject is preprocessed.
        check_one_failed(data, out, raw.parent.parent.parent / "sub-01" / "func" / "sub-01_task-states_run-02_bold.nii.gz")
        assert not (out / "sub-01").exists()

    @case
    def failures_among_several_at_once(folder, out):
        data = copy(DATA, folder / "data")
        bold(data).write_bytes(bold(data).read_bytes()[:4000])
        err, _ = run("decode", data, out, "participant", "--n-procs", "2", status=1)
        assert "1 of 2 subjects failed" in err and (out / "logs" / "crash-sub-01.txt").exists(), err
        assert (out / "sub-02" / "func" / "sub-02_desc-series_bold.h5").exists()
        check_no_partial_output(out)

    @case
    def names_that_collide(folder, out):
        data = copy(DATA, folder / "data")
        for subject in ("01", "02"):
            for index in ("01", "02"):
                path = events(data, subject, index)
                path.write_text(path.read_text().replace("state1", "left hand").replace("state2", "left_hand"))
        refused(["decode", data, out, *FAST], "left hand", "left_hand", "--labels")
        assert not out.exists()

    @case
    def output_into_a_dataset(folder, out):
        data = copy(DATA, folder / "data")
        before = (data / "dataset_description.json").read_text()
        for place in (data, data / "derivatives" / "simulated"):
            refused(["decode", data, place, *FAST], place / "dataset_description.json", "OUT_DIR", status=2)
        assert (data / "dataset_description.json").read_text() == before
        run("decode", data, data / "derivatives" / "noema", *FAST)
        run("decode", data, data / "derivatives" / "noema", *FAST)

    @case
    def every_subject_corrupt(folder, out):
        data = copy(DATA, folder / "data")
        for subject in ("01", "02"):
            bold(data, subject).write_bytes(bold(data, subject).read_bytes()[:5000])
        refused(["decode", data, out, *FAST], bold(data), out / "logs", out=out)

    @case
    def mask_of_another_grid(folder, out):
        damage.simulate(folder / "other", shape="7,9,8", subjects=1)
        mask = folder / "other" / "ground-truth" / "brain.nii.gz"
        refused(["decode", DATA, out, *FAST, "--mask", mask], mask, bold(DATA), "resample", out=out)
        err = refused(["decode", DATA, out, *FAST, "--atlas", mask], mask, "grid", out=out)
        assert "resample" in err or "expected" in err, err

    @case
    def events_mostly_outside(folder, out):
        data = copy(DATA, folder / "data")
        lines = events(data).read_text().splitlines()
        far = [lines[0]] + ["\t".join([str(float(line.split("\t")[0]) + 130), *line.split("\t")[1:]]) for line in lines[1:]]
        events(data).write_text("\n".join(far) + "\n")
        refused(["decode", data, out, *FAST], "sub-01_task-states_run-01", "repetition time", out=out)

    @case
    def shorter_than_the_filter_needs(folder, out):
        short = damage.simulate(folder / "data", block_volumes=1, rest_volumes=0, tr=1)
        words = ["decode", short, out, *FAST, "--filter", "butterworth", "--high-pass", "0.01"]
        refused(words, bold(short), "volumes", "filter", out=out)

    @case
    def missing_events(folder, out):
        data = copy(DATA, folder / "data")
        events(data, "02").unlink()
        refused(["decode", data, out, *FAST], events(data, "02").name, out=out)
        assert not out.exists(), "refused before the output folder was made"

    @case
    def missing_tr(folder, out):
        data = copy(DATA, folder / "data")
        set_json(data / "task-states_bold.json", RepetitionTime=None)
        for subject in ("01", "02"):
            for index in ("01", "02"):
                set_json(sidecar(bold(data, subject, index)), RepetitionTime=None)

                def no_tr(header, shape, values):
                    struct.pack_into("<f", header, 92, 0)

                edit_image(bold(data, subject, index), no_tr)
        refused(["decode", data, out, *FAST], bold(data), "RepetitionTime", out=out)

    @case
    def joined_runs_of_different_tr(folder, out):
        data = copy(DATA, folder / "data")
        set_json(sidecar(bold(data, "02", "02")), RepetitionTime=1.5)
        refused(["decode", data, out, *FAST], bold(data, "02", "02"), bold(data), "repetition times", "1.5 s", out=out)

    @case
    def much_of_the_mask_constant(folder, out):
        data = copy(DATA, folder / "data")
        mask = next(func(data).glob("*run-01*_mask.nii.gz"))
        for value in (7.0, float("nan")):
            damage.spoil_voxels(bold(data), mask, 60, value)
            check_one_failed(data, out, bold(data), "constant or not finite", "10 %")

    @case
    def class_absent_from_a_fold(folder, out):
        data = copy(DATA, folder / "data")
        for index in ("01", "02"):
            events(data, "02", index).write_text(events(data, "02", index).read_text().replace("state2", "state1"))
        refused(["decode", data, out, *FAST], "state2", "02", out=out)

    @case
    def one_subject(folder, out):
        words = ["decode", DATA, out, *FAST, "--split", "subject", "--participant-label", "01"]
        refused(words, "at least 2 subjects", "'01'", "run", status=2, out=out)
        assert not out.exists(), "refused before any work"
        refused(["decode", DATA, out, *FAST, "--split", "group", "--group", "family"], "family", out=out)
        refused(["decode", DATA, out, *FAST, "--split", folder / "none.tsv"], folder / "none.tsv", out=out)
        assert not out.exists()

    @case
    def unwritable_output(folder, out):
        out.write_text("mine")
        refused(["decode", DATA, out, *FAST], out)
        assert out.read_text() == "mine"
        refused(["decode", DATA, out / "deeper", *FAST], out / "deeper")
        refused(["decode", DATA, "/proc/noema-out", *FAST], "/proc/noema-out", "OUT_DIR")
        (folder / "o2").mkdir()
        (folder / "o2" / "sub-02").write_text("in the way")
        refused(["decode", DATA, folder / "o2", *FAST], folder / "o2" / "sub-02", out=folder / "o2")
        assert (folder / "o2" / "sub-01" / "func" / "sub-01_desc-series_bold.h5").exists()

    def limited(limit):
        def prepare():
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        return prepare

    @case
    def full_disk(folder, out):
        whole = folder / "whole"
        run("decode", DATA, whole, *FAST)
        series = (whole / "sub-01" / "func" / "sub-01_desc-series_bold.h5").stat().st_size
        report = (whole / "report.html").stat().st_size
        assert series != report
        words = [NOEMA, "decode", str(DATA), str(out), *FAST]
        done = subprocess.run(words, preexec_fn=limited(series // 2), capture_output=True, text=True, timeout=120)
        print(done.stderr, flush=True)
        assert done.returncode == 1 and done.stderr.count("error:") == 1, done
        assert "sub-01_desc-series_bold.h5" in done.stderr and "arge" in done.stderr, done.stderr
        check_no_partial_output(out)
        # What was finished before stays, also where only later files find no room.
        before = (whole / "results.json").read_text()
        done = subprocess.run([NOEMA, "decode", str(DATA), str(whole), *FAST], preexec_fn=limited(100),
                              capture_output=True, text=True, timeout=120)
        print(done.stderr, flush=True)
        assert done.returncode == 1 and done.stderr.count("error:") == 1, done
        assert (whole / "results.json").read_text() == before
        assert not [name for name in damage.files(whole) if ".noema-tmp-" in name]

    @case
    def really_full_disk(folder, out):
        out.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(out)], capture_output=True).returncode:
            print("no tmpfs may be mounted here; the limit on file sizes stands for a full disk")
            return
        try:
            refused(["decode", DATA, out, *FAST], "No space left", "make room", out=out)
        finally:
            subprocess.run(["umount", str(out)], check=True)

    @case
    def interrupted(folder, out):
        data = folder / "data"
        damage.simulate(data, subjects=3, shape="24,26,24")
        words = ["decode", data, out, *FAST, "--fwhm", "6", "--threads", "1"]
        first = out / "sub-01" / "func" / "sub-01_desc-series_bold.h5"
        status, err = interrupt(words, lambda _: first.exists())
        assert status == 130 and err.count("error:") == 1 and "interrupted" in err, err
        check_no_partial_output(out)
        assert not (out / "logs").exists(), "an interrupted subject has not failed"
        kept = first.stat().st_mtime_ns
        # Killed: nothing can be cleaned up then, so the next call does it.
        second = out / "sub-02" / "func"
        interrupt(words, lambda _: second.exists() and any(second.iterdir()), number=signal.SIGKILL)
        training = [*words[:3], "--model", "ridge,long-conv", "--permutations", "0", "--fwhm", "6", "--no-glm", "--seeds",
                    "1", "--epochs"]
        err, _ = run(*words)
        assert "sub-01" not in err or "reading sub-01" not in err, err
        assert "finished before and are reused: 01" in err, err
        assert first.stat().st_mtime_ns == kept
        left = [name for name in damage.files(out) if ".noema-tmp-" in name]
        assert not left, left
        before = (out / "results.json").read_text()
        status, err = interrupt([*training, "100000"], lambda said: "ridge      balanced accuracy" in said)
        assert status == 130 and err.count("error:") == 1 and "interrupted" in err, err
        assert (out / "results.json").read_text() == before
        err, _ = run(*words)
        assert "3 of 3 subjects were finished before" in err, err

    @case
    def typos(folder, out):
        refused(["decode", DATA, out, "--foldz", "3"], "--foldz", "--folds", status=2)
        refused(["decod", DATA, out], "decode", status=2)
        refused(["decode", DATA, out, "--split", "subjekt"], "subject", status=2)
        refused(["decode", DATA, out, "--model", "rigde"], "rigde", "ridge", status=2)
        refused(["decode", DATA, out, "--attribution", "gradiant"], "gradiant", "gradient", status=2)
        refused(["decode", DATA, out, "--standardize", "zscor"], "zscore", status=2)
        refused(["decode", DATA, out, "--conditions", "state1,state3"], "state3", "state1, state2", status=2)
        refused(["decode", DATA, out, "--participant-label", "03"], "03", "01", status=2)
        refused(["decode", DATA, out, "--label-column", "trail_type"], "trail_type", events(DATA))
        refused(["decode", DATA, out, "--folds", "3", "--folds", "4"], "--folds", "one value", status=2)
        refused(["decode", folder / "none", out], folder / "none", status=2)
        refused(["decode", DATA, out, "participants"], "participant", status=2)
        assert not out.exists(), "refused before any work"

    @case
    def choices_of_confounds(folder, out):
        refused(["decode", DATA, out, "--confounds", "simpel"], "--confounds", "did you mean simple?", status=2)
        refused(["decode", DATA, out, "--confounds", "motion=half"], "power2", status=2)
        refused(["decode", DATA, out, "--confounds", "motion,compcor"], "high_pass", status=2)
        refused(["preprocess", DATA, out, "--confounds", "formula: dd1(csf"], "at 'the end'", status=2)
        refused(["glm", DATA, out, "--confounds", "formula: csf^^"], "whole number", status=2)
        assert not out.exists(), "refused before any work"

    @case
    def a_high_pass_above_nyquist(folder, out):
        refused(["glm", DATA, out, "--high-pass", "0.3"], "sub-01", "a high-pass of 0.3 Hz leaves nothing", "TR of 2 s",
                "0.25 Hz", status=2)
        assert not (out / "logs").exists(), "refused before any run is read"
        refused(["decode", DATA, out, *FAST, "--high-pass", "0.3"], "0.3 Hz", "0.25 Hz")

    @case
    def fewer_volumes_than_regressors(folder, out):
        err, _ = run("glm", DATA, out, "--high-pass", "0.2", "--hrf", "fir", "--participant-label", "01", status=1)
        crash = (out / "logs" / "crash-sub-01.txt").read_text()
        for part in ("independent columns for", "nothing is left to estimate noise", "use fewer regressors", "sub-01"):
            assert part in crash and part in err, part
        check_no_partial_output(out)

    @case
    def overlapping_events(folder, out):
        data = copy(DATA, folder / "data")
        lines = events(data).read_text().splitlines()
        onset, duration, label = lines[1].split("\t")[:3]
        other = "state2" if label == "state1" else "state1"
        lines.insert(2, "\t".join([str(float(onset) + 1), duration, other, *lines[1].split("\t")[3:]]))
        events(data).write_text("\n".join(lines) + "\n")
        refused(["decode", data, out, *FAST, "--split", "run"], "overlap", "state1", "state2", "the overlap policy", out=out)

    @case
    def confounds_that_cannot_be(folder, out):
        data = copy(DATA, folder / "data")
        alone = ["preprocess", data, out, "--participant-label", "01", "--confounds"]
        err, _ = run(*alone, "ica_aroma", status=1)
        assert "desc-smoothAROMAnonaggr_bold" in err and "BIDS filter file" in err, err
        err, _ = run(*alone, "formula: dd1(trans_w)", status=1)
        assert "no column 'trans_w'" in err and "trans_x" in err, err
        err, _ = run(*alone, "none", "--fd-threshold", "0.0001", status=1)
        assert "volumes are censored" in err and "raise the thresholds" in err, err
        # As many regressors as volumes, and more: spikes at all volumes that moved at all.
        err, _ = run(*alone, "formula: [SCATTER](1_[>0](fd)) + dd1(rps)^^2", status=1)
        assert "explain" in err and "use fewer confounds" in err, err
        err, _ = run(*alone, "none", "--low-pass", "0.1", "--drop-first", "85", status=1)
        assert "too few for this Butterworth filter" in err, err

    @case
    def several_tasks_and_spaces(folder, out):
        data = copy(DATA, folder / "data")
        for path in [bold(data), sidecar(bold(data))]:
            path.with_name(path.name.replace("MNI152NLin2009cAsym", "T1w")).write_bytes(path.read_bytes())
        refused(["decode", data, out, *FAST], "MNI152NLin2009cAsym", "T1w", "--space", status=2, out=out)
        data = copy(DATA, folder / "tasks")
        for path in [bold(data), sidecar(bold(data)), events(data)]:
            path.with_name(path.name.replace("task-states", "task-rest")).write_bytes(path.read_bytes())
        refused(["decode", data, out, *FAST], "states", "rest", "--task", status=2, out=out)
        assert not out.exists()

    @case
    def small_flaws_are_counted(folder, out):
        data = copy(DATA, folder / "data")
        mask = next(func(data).glob("*run-01*_mask.nii.gz"))
        inside = damage.spoil_voxels(bold(data), mask, 3, 7.0)
        damage.spoil_voxels(bold(data, "02"), next(func(data, "02").glob("*run-01*_mask.nii.gz")), 2, float("nan"))
        lines = events(data).read_text().splitlines()
        lines.append("900\t8\tstate1")  # outside
        events(data).write_text("\n".join(lines) + "\n")
        lines = events(data, "01", "02").read_text().splitlines()
        events(data, "01", "02").write_text("\n".join([lines[0], lines[2], lines[1], *lines[3:]]) + "\n")  # not in order
        lines = events(data, "02").read_text().splitlines()
        events(data, "02").write_text("\n".join([*lines, lines[1], lines[2]]) + "\n")  # twice

        def other_tr(header, shape, values):
            struct.pack_into("<f", header, 92, 2.5)

        edit_image(bold(data, "02", "02"), other_tr)
        err, _ = run("decode", data, out, *FAST)
        found = results(out)
        warnings = found["warnings"]
        print(json.dumps(warnings, indent=1))

        def warned(*parts):
            texts = [text for text in warnings if all(str(part) in text for part in parts)]
            assert len(texts) == 1, f"{parts}: found {texts}"
            assert warnings[texts[0]] >= 1 and f"warning: {texts[0]}" in err
            return texts[0]

        warned(bold(data), f"3 of {inside} voxels", "constant or not finite", "left out")
        warned(bold(data, "02"), f"2 of {inside} voxels")
        warned("sub-01_task-states_run-01", "1 of 9 events", "left out")
        warned(events(data, "01", "02"), "sorted")
        warned(events(data, "02"), "2", "merged")
        warned(bold(data, "02", "02"), "2.5 s", "2 s", "which is used")
        clean = folder / "clean"
        run("decode", DATA, clean, *FAST)
        assert results(clean)["warnings"] == {}, results(clean)["warnings"]
        assert found["split"]["folds"] == 2 and found["split"]["hash"] == results(clean)["split"]["hash"], \
            "sorted, merged and dropped events are those of the clean dataset"

if failures:
    print(f"{len(failures)} cases failed:\n  " + "\n  ".join(failures))
sys.exit(1 if failures else 0)
