"""For tests of bad input: copies of a tiny dataset, ways to damage them, and checks of what a refused call leaves."""
import gzip
import json
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import time

from command import NOEMA, run

FAST = ["--model", "ridge", "--permutations", "0", "--no-glm", "--attribution", "gradient", "--delay", "4"]


def simulate(out, **options):
    design = {"subjects": 2, "runs": 2, "states": 2, "shape": "8,9,8", "blocks": 4, **options}
    run("simulate", out, *[word for name, value in design.items() for word in ("--" + name.replace("_", "-"), value)])
    return out


def copy(data, to):
    shutil.copytree(data, to)
    return to


def func(data, subject="01"):
    return data / "derivatives" / "simulated" / f"sub-{subject}" / "func"


def bold(data, subject="01", index="01"):
    return func(data, subject) / f"sub-{subject}_task-states_run-{index}_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz"


def events(data, subject="01", index="01"):
    return data / f"sub-{subject}" / "func" / f"sub-{subject}_task-states_run-{index}_events.tsv"


def sidecar(path):
    return path.with_name(path.name.replace(".nii.gz", ".json"))


def set_json(path, **values):
    content = json.loads(path.read_text())
    for key, value in values.items():
        content.pop(key, None) if value is None else content.__setitem__(key, value)
    path.write_text(json.dumps(content))


def edit_image(path, change):
    """`change(header, shape, values)` edits a little-endian float32 image; `values` is a list, x fastest."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    offset = int(struct.unpack_from("<f", content, 108)[0])
    shape = struct.unpack_from("<8h", content, 40)
    assert struct.unpack_from("<h", content, 70)[0] == 16, "expected float32"
    shape = shape[1:1 + shape[0]]
    values = list(struct.unpack_from(f"<{(len(content) - offset) // 4}f", content, offset))
    header = content[:offset]
    change(header, shape, values)
    path.write_bytes(gzip.compress(bytes(header) + struct.pack(f"<{len(values)}f", *values), 1))


def spoil_voxels(path, mask, count, value):
    """The first `count` voxels of the mask become `value` throughout."""
    content = gzip.decompress(mask.read_bytes())
    inside = [i for i, byte in enumerate(content[352:]) if byte]

    def change(_, shape, values):
        size = shape[0] * shape[1] * shape[2]
        for t in range(len(values) // size):
            for voxel in inside[:count]:
                values[t * size + voxel] = value

    edit_image(path, change)
    return len(inside)


def files(folder):
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} if folder.is_dir() else set()


def check_no_partial_output(out):
    left = files(out)
    assert not [name for name in left if ".noema-tmp-" in name], left
    assert "results.json" not in left and "report.html" not in left, left


def refused(words, *told, status=1, out=None):
    """The call fails with the status and one last message that has each of these words; nothing partial is left."""
    err, text = run(*words, status=status)
    assert text == "", text
    assert err.count("noema: error:") == 1, err
    for part in told:
        assert str(part) in err, f"the message does not name {part}"
    if out is not None:
        check_no_partial_output(out)
    return err


def interrupt(words, when, timeout=60, number=signal.SIGINT):
    """Starts the command, sends the signal once `when(stderr so far)` is true; returns the exit status and stderr."""
    words = [str(word) for word in words]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen([NOEMA, *words], stdout=subprocess.DEVNULL, stderr=said)

        def text():
            return os.pread(said.fileno(), 1 << 20, 0).decode()

        until = time.monotonic() + timeout
        while process.poll() is None and not when(text()) and time.monotonic() < until:
            time.sleep(0.005)
        in_time = process.poll() is None and when(text())
        process.send_signal(number)
        process.wait(timeout)
        err = text()
    assert in_time, f"it ended, or the moment never came: {err}"
    print(f"$ noema {' '.join(words)}   [signal {number}, status {process.returncode}]\n{err}", flush=True)
    return process.returncode, err
