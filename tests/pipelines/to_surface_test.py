"""noema preprocess --to-surface against closed forms: volumes whose values are known at every place, both hemispheres."""
import base64
import json
import math
import re
import struct
import sys
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import tiny_dataset
import tiny_grayordinates as tiny
from command import Folder, accuracy, results, run

SHAPE, SIZE, ORIGIN, VOLUMES = (30, 16, 14), 2.0, (-29.3, -15.2, -13.1), 4
CENTRES = {"L": (-14.2, 0.4, 0.3), "R": (13.7, 0.6, -0.2)}
WHOLE = {"L": "Left", "R": "Right"}
OUTER = {side: tiny.sphere(centre, radius=8) for side, centre in CENTRES.items()}
INNER = {side: tiny.sphere(centre, radius=5) for side, centre in CENTRES.items()}
SAMPLES = 10
NAN = float("nan")


def value(place, t, scale=1.0):
    """Linear in space, so that interpolation is exact; another function at each time."""
    x, y, z = place
    return scale * (100 + 3 * x - 2 * y + 5 * z + 11 * t + 0.7 * t * x)


def centre_of(voxel):
    return [o + SIZE * v for o, v in zip(ORIGIN, voxel)]


def voxels():
    return [(i, j, k) for k in range(SHAPE[2]) for j in range(SHAPE[1]) for i in range(SHAPE[0])]


def in_mask(voxel):
    """The upper half, and of the left only the front."""
    return voxel[2] >= 6 and not (voxel[0] < 14 and voxel[1] < 8)


def mean(values):
    return sum(values) / len(values)


def between(side, depth):
    """Places of all vertices, that part of the way inwards."""
    return [[(1 - depth) * a + depth * b for a, b in zip(out, inner)]
            for out, inner in zip(OUTER[side][0], INNER[side][0])]


def expected(side, depths, t, keeps=lambda voxel: True, scale=1.0):
    """The mean over those places of each vertex whose voxel is kept; NaN where none is."""
    columns = [between(side, depth) for depth in depths]
    found = []
    for places in zip(*columns):
        kept = [p for p in places if keeps([math.floor((x - o) / SIZE) for x, o in zip(p, ORIGIN)])]
        found.append(mean([value(p, t, scale) for p in kept]) if kept else NAN)
    return found


def rows_of(path):
    """The rows of a .func.gii and the hemisphere that it says."""
    text = path.read_text()
    assert text.count('Encoding="GZipBase64Binary"') == text.count("<DataArray ") > 0
    rows = [zlib.decompress(base64.b64decode(data)) for data in re.findall(r"<Data>([^<]*)</Data>", text)]
    return [struct.unpack(f"<{len(row) // 4}f", row) for row in rows], set(re.findall(r"Cortex(?:Left|Right)", text))


def listed(path):
    """The vertices of each hemisphere that a CIFTI file lists, in its order."""
    text = path.read_bytes()[:2_000_000].decode("latin1")
    found = re.findall(r'BrainStructure="CIFTI_STRUCTURE_CORTEX_(LEFT|RIGHT)"[^>]*>\s*<VertexIndices>([^<]*)<', text)
    return [(side[0], [int(v) for v in vertices.split()]) for side, vertices in found]


def same(what, found, wanted, tolerance=2e-3):
    assert len(found) == len(wanted), f"{what}: {len(found)} values, expected {len(wanted)}"
    for v, (a, b) in enumerate(zip(found, wanted)):
        assert (math.isnan(a) and math.isnan(b)) or abs(a - b) <= tolerance, f"{what}, vertex {v}: {a}, expected {b}"


def check(folder, wanted, name="sub-01_task-rest_run-1", lists=None):
    """Both kinds of files against `wanted`: for each hemisphere a row of vertices for each volume."""
    func = folder / "sub-01" / "func"
    series = func / f"{name}_space-T_bold.dtseries.nii"
    columns = tiny.values_of(series)
    assert [side for side, _ in listed(series)] == ["L", "R"]
    for side, vertices in listed(series):
        rows, says = rows_of(func / f"{name}_hemi-{side}_space-T_bold.func.gii")
        assert says == {f"Cortex{WHOLE[side]}"}, says
        assert len(rows) == VOLUMES
        have = [v for v in range(tiny.VERTICES) if not math.isnan(wanted[side][0][v])]
        assert vertices == (lists[side] if lists else have), f"{name}, {side}: lists {vertices}"
        own, columns = columns[:len(vertices)], columns[len(vertices):]
        for t in range(VOLUMES):
            same(f"{name} {side} t={t}", rows[t], wanted[side][t])
            same(f"{series.name} {side} t={t}", [row[t] for row in own], [wanted[side][t][v] for v in vertices])
    assert not columns
    return {side: len(vertices) for side, vertices in listed(series)}


def refuses(*words, status, says):
    errors, _ = run("preprocess", *words, status=status)
    for text in says:
        assert text in errors, f"expected '{text}' in: {errors}"


def write_dataset(root):
    """Two runs; the second has the double of the values, and none (NaN) where x is below -14 mm."""
    out = root / "derivatives" / "prep"
    out.mkdir(parents=True)
    (root / "sub-01").mkdir()
    (root / "dataset_description.json").write_text(json.dumps({"Name": "known", "BIDSVersion": "1.9.0"}))
    (out / "dataset_description.json").write_text(
        json.dumps({"Name": "prep", "BIDSVersion": "1.9.0", "DatasetType": "derivative"}))
    for number in (1, 2):
        volumes = [[NAN if number == 2 and x < -14 else value((x, y, z), t, number)
                    for x, y, z in map(centre_of, voxels())] for t in range(VOLUMES)]
        stem = out / "sub-01" / "func" / f"sub-01_task-rest_run-{number}_space-T_desc-preproc_bold"
        tiny_dataset.nifti(stem.with_suffix(".nii.gz"), volumes, shape=SHAPE, size_mm=SIZE, origin=ORIGIN)
        stem.with_suffix(".json").write_text(json.dumps({"RepetitionTime": tiny_dataset.TR}))
    return root


with Folder() as out:
    root = write_dataset(out / "bids")
    mask = out / "mask.nii.gz"
    tiny_dataset.nifti(mask, [[int(in_mask(v)) for v in voxels()]], "B", shape=SHAPE, size_mm=SIZE, origin=ORIGIN)
    outer = [tiny.gifti(out / f"space-T_hemi-{side}_pial.surf.gii", OUTER[side], WHOLE[side]) for side in "LR"]
    inner = [tiny.gifti(out / f"inner-{side}.surf.gii", INNER[side], WHOLE[side]) for side in "RL"]
    first, surface = ["--to-surface", "--run", "1"], ["--surface", *outer]
    even = [i / (SAMPLES - 1) for i in range(SAMPLES)]

    # Along the normals: outwards as far as inwards, so the vertex itself.
    said = run("preprocess", root, out / "line", *first, *surface, "--surface-radius", "2")[1]
    assert re.search(rf"  {VOLUMES}  +{2 * tiny.VERTICES}  +0\n", said), said
    check(out / "line", {side: [expected(side, [0], t) for t in range(VOLUMES)] for side in "LR"})

    # Between two surfaces, whose files come in another order.
    depths = [*first, *surface, "--inner-surface", *inner]
    run("preprocess", root, out / "depth", *depths)
    check(out / "depth", {side: [expected(side, even, t) for t in range(VOLUMES)] for side in "LR"})
    run("preprocess", root, out / "quarter", *depths, "--surface-depths", "0.25")
    check(out / "quarter", {side: [expected(side, [0.25], t) for t in range(VOLUMES)] for side in "LR"})

    # A mask leaves vertices without value: NaN in the .func.gii, not listed in the .dtseries.
    masked = {side: [expected(side, even, t, in_mask) for t in range(VOLUMES)] for side in "LR"}
    run("preprocess", root, out / "mask", *depths, "--mask", mask)
    counts = check(out / "mask", masked)
    assert 50 < counts["L"] < 0.8 * counts["R"] < 0.8 * 0.9 * tiny.VERTICES, counts

    # Smoothing takes none of them for 0.
    run("preprocess", root, out / "smooth", *depths, "--mask", mask, "--fwhm", "5")
    wanted = {side: [tiny.smoothed(OUTER[side], row, 5) for row in masked[side]] for side in "LR"}
    assert max(abs(a - b) for a, b in zip(wanted["R"][0], masked["R"][0]) if not math.isnan(a)) > 0.5
    check(out / "smooth", wanted)

    # All runs list the vertices that have a value in one of them.
    run("preprocess", root, out / "both", "--to-surface", *surface, "--surface-sampling", "ball", "--surface-radius", "0")
    wanted = {side: [expected(side, [0], t) for t in range(VOLUMES)] for side in "LR"}
    check(out / "both", wanted)
    whole = {side: list(range(tiny.VERTICES)) for side in "LR"}
    cut = ORIGIN[0] + SIZE * math.ceil((-14 - ORIGIN[0]) / SIZE)  # the first plane of voxels with values
    wanted = {side: [[NAN if p[0] < cut else value(p, t, 2) for p in OUTER[side][0]] for t in range(VOLUMES)] for side in "LR"}
    assert 0.2 < mean([math.isnan(x) for x in wanted["L"][0]]) < 0.8
    check(out / "both", wanted, "sub-01_task-rest_run-2", whole)
    says = json.loads((out / "both" / "sub-01" / "func" / "sub-01_task-rest_run-2_space-T_bold.json").read_text())
    assert says["RepetitionTime"] == tiny_dataset.TR and says["SurfaceSampling"] == "ball", says

    # With more vertices outside of the mask than may be unusable, the runs can still be decoded, smoothed along the meshes.
    look = tiny_dataset.make(out / "look", signal=6, runs=2)
    brain = next((look / "derivatives").rglob("*brain_mask.nii.gz"))
    x, y, z = -12 + 3 * 2.5, -10 + 3 * 3, -6 + 3 * 0.5
    meshes = [tiny.gifti(out / f"space-C_hemi-{side}.surf.gii", tiny.sphere((x + shift, y, z), radius=5), WHOLE[side])
              for side, shift in (("L", 0), ("R", 3))]
    said = run("preprocess", look, out / "c", "--to-surface", "--surface", *meshes, "--mask", brain)[1]
    empty = [int(number) for number in re.findall(r"(\d+)\n", said)]
    assert len(empty) == 4 and min(empty) > 0.12 * 2 * tiny.VERTICES, said
    run("decode", look, out / "decoded", "--model", "ridge", "--permutations", "0", "--no-glm", "--attribution", "gradient",
        "--derivatives", out / "c", "--space", "C", "--split", "run", "--fwhm", "3", "--surface", *meshes)
    assert results(out / "decoded")["space"] == "C"
    assert accuracy(results(out / "decoded"), "ridge") > 0.8, results(out / "decoded")["models"]

    # What does not go together.
    refuses(root, out / "g", "--to-surface", status=2, says=["--surface L.surf.gii"])
    refuses(root, out / "g", "--surface-radius", "2", status=2, says=["goes with --to-surface"])
    refuses(root, out / "g", *first, *surface, "--surface-sampling", "depth", status=2, says=["needs an inner mesh"])
    refuses(root, out / "g", *depths, "--surface-samples", "3", "--surface-depths", "0.2", "0.4", status=2,
            says=["--surface-samples", "--surface-depths", "leave one of the two out"])

    # A mesh that does not say its side is of the one that its name says, whatever its place, or refused.
    right = tiny.gifti(out / "space-T_hemi-R_unsaid.surf.gii", OUTER["R"], "")
    run("preprocess", root, out / "right", *first, "--surface", right)
    names = [path.name for path in (out / "right").rglob("*.func.gii")]
    assert len(names) == 1 and "hemi-R" in names[0], names
    unsaid = tiny.gifti(out / "unsaid.surf.gii", OUTER["R"], "")
    refuses(root, out / "g", *first, "--surface", unsaid, status=1, says=["which hemisphere", "hemi-R"])
    away = tiny.gifti(out / "away.surf.gii", tiny.sphere((400, 0, 0)), "Left")
    refuses(root, out / "h", *first, "--surface", away, status=1, says=["no vertex of CORTEX_LEFT"])
    assert not list((out / "h").rglob("*_bold*")), "a run that failed leaves no files"
