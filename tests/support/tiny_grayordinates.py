"""A small labelled dataset of grayordinates, written without any library: CIFTI runs, meshes and an atlas, as fMRIPrep
and the Human Connectome Project lay them out."""
import json
import math
import random
import struct

TR = 2.0
LABELS = ("lh", "rh")
VOXELS = [(i, j, 2) for i in range(3) for j in range(3)]


def sphere(centre, radius=40.0):
    """An octahedron divided three times: points and triangles, anticlockwise seen from outside."""
    points = [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)]
    faces = [(0, 2, 4), (2, 1, 4), (1, 3, 4), (3, 0, 4), (2, 0, 5), (1, 2, 5), (3, 1, 5), (0, 3, 5)]
    known = {}

    def middle(a, b):
        key = min(a, b), max(a, b)
        if key not in known:
            between = [(x + y) / 2 for x, y in zip(points[a], points[b])]
            length = math.sqrt(sum(x * x for x in between))
            points.append(tuple(x / length for x in between))
            known[key] = len(points) - 1
        return known[key]

    for _ in range(3):
        finer = []
        for a, b, c in faces:
            ab, bc, ca = middle(a, b), middle(b, c), middle(c, a)
            finer += [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
        faces = finer
    return [tuple(m + radius * x for m, x in zip(centre, p)) for p in points], faces


LEFT, RIGHT = sphere((-45, -20, 20)), sphere((45, -20, 20))
VERTICES = len(LEFT[0])
# The middle of each hemisphere (the side towards the other) has no values, as the medial wall.
SHOWN = {"LEFT": [v for v, p in enumerate(LEFT[0]) if p[0] < -20], "RIGHT": [v for v, p in enumerate(RIGHT[0]) if p[0] > 20]}
COUNT = len(SHOWN["LEFT"]) + len(SHOWN["RIGHT"]) + len(VOXELS)


def smoothed(mesh, values, fwhm):
    """Passes of half the own value and half the mean of the neighbours, of those vertices alone that have a value."""
    points, faces = mesh
    area, near = 0.0, [set() for _ in points]
    for a, b, c in faces:
        u, v = ([q - p for p, q in zip(points[a], points[other])] for other in (b, c))
        cross = (u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0])
        area += math.sqrt(sum(x * x for x in cross)) / 2
        for p, q in ((a, b), (b, c), (c, a)):
            near[p].add(q)
            near[q].add(p)
    there = [v for v, x in enumerate(values) if not math.isnan(x)]
    near = [[n for n in own if not math.isnan(values[n])] for own in near]
    passes = int(1.14 * 4 * math.pi * fwhm ** 2 / math.log(256) / (7 * area / len(points)) + 0.5)
    assert passes > 2, passes
    for _ in range(passes):
        now = list(values)
        for v in there:
            if near[v]:
                now[v] = 0.5 * values[v] + 0.5 * sum(values[n] for n in near[v]) / len(near[v])
        values = now
    return values


def gifti(path, mesh, side):
    """A mesh that says its side, "Left" or "Right"; with "" it does not."""
    points, faces = mesh
    meta = f"<MD><Name>AnatomicalStructurePrimary</Name><Value>Cortex{side}</Value></MD>" if side else ""

    def array(intent, kind, rows):
        return (f'<DataArray Intent="NIFTI_INTENT_{intent}" DataType="NIFTI_TYPE_{kind}" ArrayIndexingOrder="RowMajorOrder"'
                f' Dimensionality="2" Dim0="{len(rows)}" Dim1="3" Encoding="ASCII" Endian="LittleEndian" ExternalFileName=""'
                f' ExternalFileOffset=""><MetaData>{meta}</MetaData>'
                f'<Data>{" ".join(str(x) for row in rows for x in row)}</Data></DataArray>')

    path.write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n<GIFTI Version="1.0" NumberOfDataArrays="2"><MetaData/>'
                    f'<LabelTable/>{array("POINTSET", "FLOAT32", points)}{array("TRIANGLE", "INT32", faces)}</GIFTI>')
    return path


def brain_models(vertices=SHOWN, total=VERTICES):
    parts, offset = [], 0
    for side in ("LEFT", "RIGHT"):
        parts.append(f'<BrainModel IndexOffset="{offset}" IndexCount="{len(vertices[side])}" '
                     f'ModelType="CIFTI_MODEL_TYPE_SURFACE" BrainStructure="CIFTI_STRUCTURE_CORTEX_{side}" '
                     f'SurfaceNumberOfVertices="{total}"><VertexIndices>{" ".join(map(str, vertices[side]))}'
                     f'</VertexIndices></BrainModel>')
        offset += len(vertices[side])
    voxels = " ".join(f"{i} {j} {k}" for i, j, k in VOXELS)
    parts.append(f'<BrainModel IndexOffset="{offset}" IndexCount="{len(VOXELS)}" ModelType="CIFTI_MODEL_TYPE_VOXELS" '
                 f'BrainStructure="CIFTI_STRUCTURE_THALAMUS_LEFT"><VoxelIndicesIJK>{voxels}</VoxelIndicesIJK></BrainModel>')
    volume = ('<Volume VolumeDimensions="4,4,4"><TransformationMatrixVoxelIndicesIJKtoXYZ MeterExponent="-3">'
              '2 0 0 -4 0 2 0 -4 0 0 2 -4 0 0 0 1</TransformationMatrixVoxelIndicesIJKtoXYZ></Volume>')
    return ('<MatrixIndicesMap AppliesToMatrixDimension="1" IndicesMapToDataType="CIFTI_INDEX_TYPE_BRAIN_MODELS">'
            f'{volume}{"".join(parts)}</MatrixIndicesMap>')


def cifti(path, columns, intent, rows, models=None):
    """`rows` has the values of each grayordinate; `columns` is the XML of what they are."""
    xml = (f'<?xml version="1.0" encoding="UTF-8"?><CIFTI Version="2"><Matrix>{columns}{models or brain_models()}'
           '</Matrix></CIFTI>').encode()
    size = (8 + len(xml) + 15) // 16 * 16
    header = bytearray(540)
    struct.pack_into("<i", header, 0, 540)
    header[4:12] = b"n+2\0\r\n\x1a\n"
    struct.pack_into("<2h", header, 12, 16, 32)
    struct.pack_into("<8q", header, 16, 6, 1, 1, 1, 1, len(rows[0]), len(rows), 1)
    struct.pack_into("<8d", header, 104, *[1.0] * 8)
    struct.pack_into("<q", header, 168, 544 + size)
    struct.pack_into("<i", header, 504, intent)
    data = b"".join(struct.pack(f"<{len(row)}f", *row) for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(header) + b"\1\0\0\0" + struct.pack("<2i", size, 32) + xml.ljust(size - 8, b"\0") + data)
    return path


def values_of(path):
    """The rows of a float32 CIFTI file."""
    data = path.read_bytes()
    points, places = struct.unpack_from("<2q", data, 56)
    offset, = struct.unpack_from("<q", data, 168)
    numbers = struct.unpack_from(f"<{points * places}f", data, offset)
    return [numbers[points * g:points * (g + 1)] for g in range(places)]


def dscalar(path, values):
    """A map of all grayordinates."""
    columns = ('<MatrixIndicesMap AppliesToMatrixDimension="0" IndicesMapToDataType="CIFTI_INDEX_TYPE_SCALARS">'
               '<NamedMap><MapName>map</MapName></NamedMap></MatrixIndicesMap>')
    return cifti(path, columns, 3006, [[value] for value in values])


def dtseries(path, rows):
    columns = (f'<MatrixIndicesMap AppliesToMatrixDimension="0" IndicesMapToDataType="CIFTI_INDEX_TYPE_SERIES" '
               f'NumberOfSeriesPoints="{len(rows[0])}" SeriesExponent="0" SeriesStart="0" SeriesStep="{TR}" '
               f'SeriesUnit="SECOND"/>')
    return cifti(path, columns, 3002, rows)


PARCELS = {f"{side}{n}": (side, n) for side in ("LEFT", "RIGHT") for n in range(6)}


def ptseries(path, rows, order=tuple(PARCELS)):
    """The means over slices of each hemisphere's shown vertices, as a parcel each, in this order."""
    members = {name: [v for v in SHOWN[side] if v % 6 == n] for name, (side, n) in PARCELS.items()}
    first = {"LEFT": 0, "RIGHT": len(SHOWN["LEFT"])}
    columns = (f'<MatrixIndicesMap AppliesToMatrixDimension="0" IndicesMapToDataType="CIFTI_INDEX_TYPE_SERIES" '
               f'NumberOfSeriesPoints="{len(rows[0])}" SeriesExponent="0" SeriesStart="0" SeriesStep="{TR}" '
               f'SeriesUnit="SECOND"/>')
    parcels = "".join(f'<Parcel Name="{name}"><Vertices BrainStructure="CIFTI_STRUCTURE_CORTEX_{PARCELS[name][0]}">'
                      f'{" ".join(map(str, members[name]))}</Vertices></Parcel>' for name in order)
    surfaces = "".join(f'<Surface BrainStructure="CIFTI_STRUCTURE_CORTEX_{side}" SurfaceNumberOfVertices="{VERTICES}"/>'
                       for side in ("LEFT", "RIGHT"))
    places = ('<MatrixIndicesMap AppliesToMatrixDimension="1" IndicesMapToDataType="CIFTI_INDEX_TYPE_PARCELS">'
              f'{surfaces}{parcels}</MatrixIndicesMap>')
    means = []
    for name in order:
        side = PARCELS[name][0]
        own = [rows[first[side] + SHOWN[side].index(v)] for v in members[name]]
        means.append([sum(column) / len(own) for column in zip(*own)])
    return cifti(path, columns, 3004, means, places)


def atlas(path, total=VERTICES):
    """Cortex left, cortex right (with the medial walls) and nothing deep: keys 2 and 5."""
    whole = {side: list(range(total)) for side in ("LEFT", "RIGHT")}
    labels = "".join(f'<Label Key="{key}" Red="1" Green="0" Blue="0" Alpha="1">{name}</Label>'
                     for key, name in ((0, "???"), (2, "left"), (5, "right")))
    columns = ('<MatrixIndicesMap AppliesToMatrixDimension="0" IndicesMapToDataType="CIFTI_INDEX_TYPE_LABELS"><NamedMap>'
               f'<MapName>halves</MapName><LabelTable>{labels}</LabelTable></NamedMap></MatrixIndicesMap>')
    rows = [[2.0]] * total + [[5.0]] * total + [[0.0]] * len(VOXELS)
    return cifti(path, columns, 3007, rows, brain_models(whole, total))


def slices(path):
    """The parcels of `ptseries` as an atlas of all grayordinates."""
    names = list(PARCELS)
    labels = "".join(f'<Label Key="{key}" Red="1" Green="0" Blue="0" Alpha="1">{name}</Label>'
                     for key, name in enumerate(["???"] + names))
    columns = ('<MatrixIndicesMap AppliesToMatrixDimension="0" IndicesMapToDataType="CIFTI_INDEX_TYPE_LABELS"><NamedMap>'
               f'<MapName>slices</MapName><LabelTable>{labels}</LabelTable></NamedMap></MatrixIndicesMap>')
    rows = [[1.0 + names.index(f"{side}{v % 6}")] for side in ("LEFT", "RIGHT") for v in SHOWN[side]]
    return cifti(path, columns, 3007, rows + [[0.0]] * len(VOXELS))


def series(seed, blocks=4):
    """Values and events: blocks of 6 volumes, 4 of rest; "lh" raises the right cortex, "rh" the left, 6 s later."""
    chance = random.Random(seed)
    order = [k for _ in range(blocks) for k in chance.sample((0, 1), 2)]
    count = 10 * len(order) + 4
    when = [-1] * count
    for b, k in enumerate(order):
        for t in range(10 * b + 3, min(count, 10 * b + 9)):
            when[t] = k
    rows = []
    for side, raised in (("LEFT", 1), ("RIGHT", 0)):
        rows += [[1000 + (8 if when[t] == raised else 0) + chance.gauss(0, 10) for t in range(count)] for _ in SHOWN[side]]
    rows += [[1000 + chance.gauss(0, 10) for _ in range(count)] for _ in VOXELS]
    return rows, [(b * 10 * TR, 6 * TR, LABELS[k]) for b, k in enumerate(order)]


def make_bids(root, subjects=("01", "02", "03"), parcels=None):
    """A raw dataset with fMRIPrep's grayordinates beside it; with `parcels` their means in this order instead."""
    out = root / "derivatives" / "fmriprep"
    out.mkdir(parents=True)
    (root / "dataset_description.json").write_text(json.dumps({"Name": "grayordinates", "BIDSVersion": "1.9.0"}))
    (out / "dataset_description.json").write_text(
        json.dumps({"Name": "fMRIPrep", "BIDSVersion": "1.9.0", "DatasetType": "derivative"}))
    for subject in subjects:
        rows, events = series(subject)
        name = f"sub-{subject}_task-hands"
        func = root / f"sub-{subject}" / "func"
        func.mkdir(parents=True)
        (func / f"{name}_events.tsv").write_text(
            "onset\tduration\ttrial_type\n" + "".join(f"{a}\t{b}\t{c}\n" for a, b, c in events))
        stem = out / f"sub-{subject}" / "func" / f"{name}_space-fsLR_den-91k_bold"
        if parcels:
            stem = stem.with_name(f"{name}_space-fsLR_seg-Slices_stat-mean_timeseries")
            ptseries(stem.with_name(stem.name + ".ptseries.nii"), rows, parcels)
        else:
            dtseries(stem.with_name(stem.name + ".dtseries.nii"), rows)
        stem.with_name(stem.name + ".json").write_text(json.dumps({"RepetitionTime": TR}))
    return root


def make_hcp(root, subjects=("100307", "100408")):
    """Folders of minimally preprocessed data, both runs of one task."""
    for subject in subjects:
        for direction in ("LR", "RL"):
            rows, events = series(f"{subject} {direction}")
            name = f"tfMRI_MOTOR_{direction}"
            place = root / subject / "MNINonLinear" / "Results" / name
            dtseries(place / f"{name}_Atlas_MSMAll.dtseries.nii", rows)
            evs = place / "EVs"
            evs.mkdir()
            for label in LABELS:
                (evs / f"{label}.txt").write_text("".join(f"{a}\t{b}\t1\n" for a, b, c in events if c == label))
            (evs / "cue.txt").write_text("0\t1\t1\n")
            (evs / "Sync.txt").write_text("12.8\n")
            steps = range(len(rows[0]))
            (place / "Movement_Regressors.txt").write_text(
                "".join(" ".join(f"{math.sin(t + c):.5f}" for c in range(12)) + "\n" for t in steps))
    return root
