#!/usr/bin/env python3
"""Noema beside nilearn on the same arrays and files; run.sh prepares both and calls this.

Each row writes its inputs to a temporary folder, has a program of tests/bench time Noema on them, times nilearn on the
same inputs, compares what both computed, and prints one line: name, seconds of ours and theirs (least of the
repetitions, which take turns), ratio, ratio aimed at, difference of the results.
"""
import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import nibabel
import numpy as np

warnings.simplefilter("ignore")
SHAPE, TR = (61, 73, 61), 2.0
AFFINE = np.array([[3, 0, 0, -90], [0, 3, 0, -126], [0, 0, 3, -72], [0, 0, 0, 1.0]])


class Bench:
    """Where the inputs lie, and how work is timed."""

    def __init__(self, build, folder, repetitions):
        self.build, self.folder, self.repetitions = Path(build), Path(folder), repetitions
        self.rows = []

    def ours(self, program, *words):
        """Seconds of one repetition, and the other facts that the program printed."""
        words = [str(word) for word in words]
        done = subprocess.run([self.build / "bin" / program, *words], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{program} {' '.join(words)}: {done.stderr}")
        facts = {}
        for line in done.stdout.splitlines():
            facts.update(json.loads(line))
        return facts["min_s"], facts

    def row(self, name, aim, ours, theirs, difference):
        """`ours()` gives seconds and facts, `theirs()` its result; `difference(result)` compares it with our file."""
        our_s, their_s = [], []
        for _ in range(self.repetitions):  # in turns, so that both meet the same weather
            seconds, facts = ours()
            our_s.append(seconds)
            start = time.perf_counter()
            result = theirs()
            their_s.append(time.perf_counter() - start)
        ratio = min(their_s) / min(our_s)
        note = f"peak above start {facts['peak_above_start_mb']:.0f} MB" if "peak_above_start_mb" in facts else ""
        print(f"{name}\t{min(our_s):.4f}\t{min(their_s):.4f}\t{ratio:.1f}\t{aim}\t{difference(result):.2g}\t{note}", flush=True)
        self.rows.append((name, ratio, aim))


def relative(found, expected):
    """The largest difference as a part of the largest expected value."""
    return float(np.nanmax(np.abs(found - expected)) / np.nanmax(np.abs(expected)))


def scan(bench):
    """A head in air, autocorrelated noise: as .nii and .nii.gz, with a mask of 82,000 voxels and events."""
    folder = bench.folder / "scan"
    if folder.is_dir():
        return folder
    folder.mkdir()
    i, j, k = np.ogrid[:SHAPE[0], :SHAPE[1], :SHAPE[2]]
    head = ((i - 30) / 24) ** 2 + ((j - 36) / 29) ** 2 + ((k - 30) / 26) ** 2 < 1.05
    random = np.random.default_rng(0)
    values, noise = np.empty((*SHAPE, 200), np.int16), random.standard_normal(SHAPE).astype(np.float32)
    for t in range(200):
        noise = 0.4 * noise + random.standard_normal(SHAPE, dtype=np.float32)
        values[..., t] = np.clip(np.round(np.where(head, 1000 + 15 * noise, 30 + 5 * noise)), 0, None)
    image = nibabel.Nifti1Image(values, AFFINE)
    image.header.set_zooms((3, 3, 3, TR))
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, folder / "run.nii")
    nibabel.save(image, folder / "run.nii.gz")
    nibabel.save(nibabel.Nifti1Image(head.astype(np.uint8), AFFINE), folder / "mask.nii.gz")
    lines = [f"{onset:g}\t10\t{'ab'[n % 2]}" for n, onset in enumerate(range(10, 380, 24))]
    (folder / "events.tsv").write_text("\n".join(["onset\tduration\ttrial_type", *lines]) + "\n")
    return folder


def x_fastest(mask, values):
    """(V, ...) in nilearn's order of voxels (z fastest) to ours (x fastest)."""
    places = np.argwhere(mask)
    return values[np.lexsort(places.T)]


def band_pass(bench, ending):
    from nilearn.maskers import NiftiMasker
    folder = scan(bench)
    mask = nibabel.load(folder / "mask.nii.gz").get_fdata() > 0
    out = bench.folder / "band.f32"
    masker = NiftiMasker(folder / "mask.nii.gz", smoothing_fwhm=6, detrend=True, standardize="zscore_sample", low_pass=0.1,
                         high_pass=0.01, t_r=TR, dtype="float32")

    def difference(theirs):
        found = np.fromfile(out, np.float32).reshape(200, -1)
        return relative(found.T, x_fastest(mask, np.asarray(theirs).T))

    bench.row(f"smoothing, band-pass, {ending}", 30 if ending == ".nii" else 15,
              lambda: bench.ours("run_times", "band-pass", folder / f"run{ending}", folder / "mask.nii.gz", 2, out),
              lambda: masker.fit_transform(str(folder / f"run{ending}")), difference)


def cleaning(bench):
    """A float32 array of 200 volumes of 60,000 voxels."""
    from nilearn.signal import clean
    random = np.random.default_rng(3)
    series = (1000 + random.standard_normal((200, 60000)) + np.cumsum(random.standard_normal((200, 1)), 0)).astype(np.float32)
    confounds = random.standard_normal((200, 36))
    series.tofile(bench.folder / "series.f32")
    confounds.tofile(bench.folder / "confounds.f64")
    out = bench.folder / "cleaned.f32"
    band = {"filter": "butterworth", "high_pass": 0.01, "low_pass": 0.1, "t_r": TR}
    for kind, with_confounds, aim in (("detrend", False, 5), ("band-pass", False, 50), ("band-pass", True, 50)):
        bench.row(f"cleaning, {kind}, {36 if with_confounds else 0} confounds", aim,
                  lambda: bench.ours("clean_times", kind, bench.folder / "series.f32",
                                     bench.folder / "confounds.f64" if with_confounds else "-", *series.shape, 5, out),
                  lambda: clean(series, confounds=confounds if with_confounds else None, **(band if kind == "band-pass" else {})),
                  lambda theirs: relative(np.fromfile(out, np.float32).reshape(series.shape), theirs))


def first_level(bench, ending):
    import pandas
    from nilearn.glm.first_level import FirstLevelModel
    folder = scan(bench)
    mask = nibabel.load(folder / "mask.nii.gz").get_fdata() > 0
    out = bench.folder / "first.f64"
    events = pandas.read_csv(folder / "events.tsv", sep="\t")

    def theirs():
        model = FirstLevelModel(t_r=TR, mask_img=str(folder / "mask.nii.gz"), smoothing_fwhm=6, noise_model="ar1", n_jobs=1)
        return model.fit(str(folder / f"run{ending}"), events).compute_contrast("a - b", output_type="z_score")

    def difference(image):
        """Of all but a thousandth of the voxels: where ρ lies on the edge of a bin, float32 decides which bin it is."""
        expected = x_fastest(mask, image.get_fdata()[mask])
        return np.quantile(np.abs(np.fromfile(out) - expected), 0.999) / np.abs(expected).max()

    bench.row(f"first level, AR(1), {ending}", 6 if ending == ".nii" else 4,
              lambda: bench.ours("run_times", "first-level", folder / f"run{ending}", folder / "mask.nii.gz",
                                 folder / "events.tsv", 2, out), theirs, difference)


def image_times(bench, magnitude, *words):
    """Least seconds; the mean of the absolute results goes to `magnitude`."""
    done = subprocess.run([bench.build / "bin" / "image_times", *words, "3"], capture_output=True, text=True, check=True)
    _, least, mean = done.stdout.split()
    magnitude[:] = [float(mean)]
    return float(least), {}


def resampling(bench):
    from nilearn.image import resample_img
    values = np.random.default_rng(1).standard_normal((*SHAPE, 50)).astype(np.float32)
    image = nibabel.Nifti1Image(values, AFFINE)
    nibabel.save(image, bench.folder / "three.nii")
    fine = AFFINE.copy()
    fine[:3, :3] *= 2 / 3
    shape = (91, 109, 91)
    nibabel.save(nibabel.Nifti1Image(np.zeros(shape, np.float32), fine), bench.folder / "two.nii")
    image = nibabel.load(bench.folder / "three.nii")
    image.get_fdata(dtype=np.float32)
    magnitude = []
    bench.row("cubic resampling, 50 volumes", 8,
              lambda: image_times(bench, magnitude, "resample", bench.folder / "three.nii", bench.folder / "two.nii", "cubic"),
              lambda: resample_img(image, fine, shape, interpolation="continuous"),
              lambda result: abs(magnitude[0] / np.abs(result.get_fdata()).mean() - 1))


def labels(bench):
    """Means of 400 boxes that fill the image."""
    from nilearn.maskers import NiftiLabelsMasker
    folder = scan(bench)
    x, y, z = np.indices(SHAPE)
    regions = (x * 8 // SHAPE[0]) + 8 * (y * 10 // SHAPE[1]) + 80 * (z * 5 // SHAPE[2]) + 1
    atlas = nibabel.Nifti1Image(regions.astype(np.int16), AFFINE)
    nibabel.save(atlas, bench.folder / "atlas.nii")
    image = nibabel.Nifti1Image(nibabel.load(folder / "run.nii").get_fdata(dtype=np.float32), AFFINE)
    nibabel.save(image, bench.folder / "float.nii")
    masker = NiftiLabelsMasker(atlas, resampling_target=None, standardize=False).fit()
    magnitude = []
    bench.row("means of 400 regions, 200 volumes", 12,
              lambda: image_times(bench, magnitude, "regions", bench.folder / "float.nii", bench.folder / "atlas.nii", "mean"),
              lambda: masker.transform_single_imgs(image),
              lambda result: abs(magnitude[0] / np.abs(result).mean() - 1))


def tfce(bench):
    from nilearn.mass_univariate._utils import calculate_tfce
    from scipy.ndimage import gaussian_filter, generate_binary_structure
    shape = (91, 109, 91)
    values = gaussian_filter(np.random.default_rng(2).standard_normal(shape), 2)
    values *= 4 / np.abs(values).max()
    values.ravel(order="F").tofile(bench.folder / "map.f64")
    out = bench.folder / "tfce.f64"
    structure = generate_binary_structure(3, 1)
    bench.row("TFCE, 91×109×91, two-sided", 20,
              lambda: bench.ours("inference_times", "tfce", bench.folder / "map.f64", *shape, 2, 2, out),
              lambda: calculate_tfce(values[..., None], structure, two_sided_test=True),
              lambda result: relative(np.fromfile(out), result.ravel(order="F")))


def permutations(bench):
    from nilearn.mass_univariate import permuted_ols
    shape, rows = (40, 40, 25), 40
    random = np.random.default_rng(3)
    data = random.standard_normal((rows, np.prod(shape)))
    tested = random.standard_normal(rows)
    data.tofile(bench.folder / "subjects.f64")
    tested.tofile(bench.folder / "tested.f64")
    out = bench.folder / "permuted.f64"

    def difference(result):
        t, _ = np.fromfile(out).reshape(2, -1)
        return relative(t, result["t"][0])

    bench.row("1,000 permutations, 40 × 40,000", 5,
              lambda: bench.ours("inference_times", "permutations", bench.folder / "subjects.f64", bench.folder / "tested.f64",
                                 rows, *shape, "t", 1000, 2, 1, out),
              lambda: permuted_ols(tested, data, n_perm=1000, n_jobs=2, random_state=0, output_type="dict"), difference)


def noisy_series(bench, voxels):
    """(200, voxels) with AR(1) noise whose ρ is as spread as in a brain, and a design of 30 columns."""
    random = np.random.default_rng(4)
    series = random.standard_normal((200, voxels)).astype(np.float32)
    rho = random.uniform(-0.2, 0.8, voxels).astype(np.float32)
    for t in range(1, 200):
        series[t] += rho * series[t - 1]
    design = random.standard_normal((200, 30))
    design[:, -1] = 1
    series.tofile(bench.folder / "series.f32")
    design.tofile(bench.folder / "design.f64")
    return series, design


def autoregression(bench, order, voxels, aim):
    from nilearn.glm.contrasts import compute_contrast
    from nilearn.glm.first_level import run_glm
    series, design = noisy_series(bench, voxels)
    out = bench.folder / "t.f64"

    def theirs():
        labels, results = run_glm(series, design, noise_model=f"ar{order}", n_jobs=2)
        return compute_contrast(labels, results, np.eye(30)[0]).stat()

    def difference(t):
        """The median: theirs lets voxels share the centre of a cluster of ρ for orders above 1."""
        return float(np.median(np.abs(np.fromfile(out) - t)))

    bench.row(f"AR({order}), 200 × {voxels:,} × 30", aim,
              lambda: bench.ours("glm_times", f"ar{order}", bench.folder / "series.f32", 200, bench.folder / "design.f64", 30,
                                 2, out), theirs, difference)


def labelled(bench, shape):
    """200 samples of two labels that show in a part of a box, in five folds; with the files for our program."""
    random = np.random.default_rng(4)
    labels, folds = np.arange(200, dtype=np.int32) % 2, np.arange(200, dtype=np.int32) // 40
    values = random.standard_normal((200, *shape)).astype(np.float32)
    part = tuple(slice(n // 3, n // 2) for n in shape)
    values[(slice(None), *part)] += 0.35 * (2 * labels[:, None, None, None] - 1)
    values.transpose(0, 3, 2, 1).tofile(bench.folder / "samples.f32")
    labels.tofile(bench.folder / "labels.i32")
    folds.tofile(bench.folder / "folds.i32")
    return values, labels, folds


def svc(bench):
    from sklearn.svm import LinearSVC
    shape = (40, 25, 20)
    values, labels, _ = labelled(bench, shape)
    flat = values.transpose(0, 3, 2, 1).reshape(200, -1)
    out = bench.folder / "svc.f64"

    def difference(model):
        """How far our objective lies above the reference's, relative."""
        weights, rest = model.coef_[0], 1 - (2 * labels - 1) * model.decision_function(flat)
        expected = (weights @ weights + model.intercept_[0] ** 2) / 2 + 1e-3 * (np.maximum(0, rest) ** 2).sum()
        return np.fromfile(out)[0] / expected - 1

    bench.row("linear SVC, 200 × 20,000, one fit", 1,
              lambda: bench.ours("decoding_times", "svc", bench.folder / "samples.f32", 200, flat.shape[1],
                                 bench.folder / "labels.i32", 1e-3, "squared_hinge", 2, out),
              lambda: LinearSVC(C=1e-3, max_iter=10000, random_state=0).fit(flat, labels), difference)


def searchlight(bench):
    from nilearn.decoding import SearchLight
    from sklearn.model_selection import PredefinedSplit
    shape, radius = (30, 30, 20), 2  # voxels: 33 in a sphere
    values, labels, folds = labelled(bench, shape)
    image = nibabel.Nifti1Image(np.moveaxis(values, 0, -1), np.diag([3, 3, 3, 1.0]))
    process = np.zeros(shape, np.int8)
    process[5:25, 5:25, 9] = 1
    i, j, k = np.nonzero(process)
    (i + shape[0] * (j + shape[1] * k)).astype(np.int32).tofile(bench.folder / "centres.i32")
    out = bench.folder / "searchlight.f64"
    light = SearchLight(nibabel.Nifti1Image(np.ones(shape, np.int8), image.affine), nibabel.Nifti1Image(process, image.affine),
                        radius=3 * radius, estimator="svc", cv=PredefinedSplit(folds), scoring="accuracy")
    bench.row("searchlight, 400 spheres of 33 voxels", 30,
              lambda: bench.ours("decoding_times", "searchlight", bench.folder / "samples.f32", 200, *shape,
                                 bench.folder / "labels.i32", bench.folder / "folds.i32", bench.folder / "centres.i32", radius, 1,
                                 2, out),
              lambda: light.fit(image, labels).scores_[process > 0],
              lambda scores: np.abs(np.fromfile(out) - scores).max())


def subjects_series(bench, regions=400, frames=500, subjects=20):
    """(subjects, regions, frames): 20 networks that all share, each subject's own deviations, noise."""
    random = np.random.default_rng(5)
    shared = random.standard_normal((regions, 20))
    series = np.empty((subjects, regions, frames))
    for one in series:
        mixing = shared + 0.5 * random.standard_normal(shared.shape)
        one[:] = 0.4 * mixing @ random.standard_normal((20, frames)) + random.standard_normal((regions, frames))
    series.tofile(bench.folder / "regions.f64")
    return series


def connectivity(bench, kind, aim):
    """`kind` of 20 subjects × 400 regions × 500 frames; the tangent by nilearn's stopping rule or converged."""
    from nilearn.connectome import ConnectivityMeasure
    series = subjects_series(bench)
    runs = [one.T for one in series]
    out = bench.folder / "connectivity.f64"
    bench.row(f"{kind}, 20 × 400 × 500", aim,
              lambda: bench.ours("connectivity_times", kind, bench.folder / "regions.f64", *series.shape, 2, out),
              lambda: ConnectivityMeasure(kind=kind.replace("-published", "").replace("-", " ")).fit_transform(runs),
              lambda theirs: relative(np.fromfile(out).reshape(theirs.shape), theirs))


def matrices(bench):
    """Single matrices of 400 regions, beside numpy and scipy."""
    import scipy.linalg
    from scipy.spatial.distance import pdist, squareform
    series = subjects_series(bench, subjects=1)[0]
    covariance = np.cov(series)
    affinity = np.exp(-squareform(pdist(np.random.default_rng(6).uniform(size=(1000, 3)))) ** 2 / 0.02)
    np.fill_diagonal(affinity, 0)
    covariance.tofile(bench.folder / "covariance.f64")
    affinity.tofile(bench.folder / "affinity.f64")
    out = bench.folder / "matrix.f64"

    def log():
        values, vectors = scipy.linalg.eigh(covariance)
        return vectors * np.log(values) @ vectors.T

    def eigenmaps():
        degree = affinity.sum(0)
        return 1 - scipy.linalg.eigh(affinity / np.sqrt(np.outer(degree, degree)))[0][-2:-12:-1]

    for what, name, shape, theirs in (
            ("covariance", "regions", series.shape, lambda: np.cov(series)),
            ("log", "covariance", covariance.shape, log),
            ("eigenvalues", "covariance", covariance.shape, lambda: np.linalg.eigh(covariance)[0]),
            ("eigenmaps", "affinity", affinity.shape, eigenmaps)):
        bench.row(f"{what} of {shape[0]} × {shape[1]}, beside numpy and scipy", 1,
                  lambda: bench.ours("connectivity_times", f"{what}-of", bench.folder / f"{name}.f64", *shape, 5, out), theirs,
                  lambda result: relative(np.fromfile(out).reshape(result.shape), result))


ROWS = {
    "ar1": lambda bench: autoregression(bench, 1, 60000, 6),
    "ar2": lambda bench: autoregression(bench, 2, 20000, 25),
    "permutations": permutations,
    "band-pass": lambda bench: [band_pass(bench, ending) for ending in (".nii", ".nii.gz")],
    "cleaning": cleaning,
    "connectivity": lambda bench: [connectivity(bench, *kind) for kind in (
        ("correlation", 1), ("partial-correlation", 1), ("precision", 1), ("tangent", 3), ("tangent-published", 1))],
    "first-level": lambda bench: [first_level(bench, ending) for ending in (".nii", ".nii.gz")],
    "labels": labels,
    "matrices": matrices,
    "resampling": resampling,
    "tfce": tfce,
    "searchlight": searchlight,
    "svc": svc,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"some of {', '.join(ROWS)}; all by default")
    parser.add_argument("--build", default="build", help="the build folder")
    parser.add_argument("--repetitions", type=int, default=3, help="of each row (default 3)")
    arguments = parser.parse_args()
    for name in arguments.rows:
        if name not in ROWS:
            parser.error(f"no row '{name}'; there are {', '.join(ROWS)}")
    print("row\tnoema s\tnilearn s\tratio\taim\tdifference\tnote", flush=True)
    with tempfile.TemporaryDirectory(prefix="noema-bench-") as folder:
        bench = Bench(arguments.build, folder, arguments.repetitions)
        for name in arguments.rows or ROWS:
            ROWS[name](bench)
    below = [name for name, ratio, aim in bench.rows if ratio < aim]
    print(f"{len(bench.rows) - len(below)} of {len(bench.rows)} rows reach their aim" + (f"; below: {', '.join(below)}" if below else ""))


if __name__ == "__main__":
    main()
