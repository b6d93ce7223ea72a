"""A workflow with every block fixed gives, from the files of a dataset on, the matrices of nilearn 0.14.

Recipe of the numbers: images and confounds read as float64; NiftiLabelsMasker(atlas, mask_img = voxels of the brain with a
label, detrend=True, standardize="zscore_sample", t_r=2, keep_masked_labels=False) of each run, with the six motion
parameters as confounds; ConnectivityMeasure(kind, estimator(store_precision=False), standardize=False), fitted on the first
four subjects. Upper triangles of subjects 01 (seen by the tangent's reference) and 06 (not seen).
butterworth: high_pass=0.01, low_pass=0.12, EmpiricalCovariance, all volumes (over censored ones nilearn's Butterworth filter
reads mirrored positions). cosine: high_pass=0.01, clean_args={"filter": "cosine"}, LedoitWolf, sample_mask = volumes of a
framewise displacement up to 5, without what is shorter than five volumes between others.
"""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import tiny_regions
from command import Folder, run

GOLDEN = {
    ("correlation", "butterworth"): [
        [1.0, -0.2609631631835, -0.24381118268723, 1.0, 0.16619389072509, 1.0],
        [1.0, -0.27408941734469, 0.0014587946502668, 1.0, -0.14486547607962, 1.0]],
    ("partial-correlation", "butterworth"): [
        [1.0, -0.23050826542271, -0.21056381904426, 1.0, 0.10955594251492, 1.0],
        [1.0, -0.27679822460028, -0.040194331153865, 1.0, -0.15021852647107, 1.0]],
    ("tangent", "butterworth"): [
        [-0.0063140243238243, -0.050914335513408, -0.36949323165424, -0.016687471714594, 0.13179176201766,
         0.0026421374872462],
        [0.015700808961884, -0.083348465471874, -0.15558298507405, -0.019519922781085, -0.15833544666365,
         0.026427586569862]],
    ("correlation", "cosine"): [
        [1.0, -0.052013116980346, -0.057155599389002, 1.0, -0.00937123578042, 1.0],
        [1.0, -0.12558518831149, -0.11202468869508, 1.0, -0.034206166851933, 1.0]],
    ("partial-correlation", "cosine"): [
        [1.0, -0.052637089914827, -0.057723692536766, 1.0, -0.012381047740751, 1.0],
        [1.0, -0.13031316921501, -0.11731740820034, 1.0, -0.04896829261833, 1.0]],
    ("tangent", "cosine"): [
        [0.0018915851551741, 0.0001706187867488, -0.080076228003161, 0.0012108242713239, -0.011087448687298,
         0.00075079857636529],
        [-0.010029362243048, -0.076181056788189, -0.1379863118057, -0.0064896262655843, -0.041919783775352,
         -0.0052042120752919]],
}

TRAINING = """
[training]
epochs = 1
target = "group"
held-out = ["05", "06"]
[[loss]]
type = "cross-entropy"
"""
CASES = {
    "butterworth": (["interpolate", "detrend", "filter", "regress", "parcellate", "standardise"], "empirical", []),
    "cosine": (["cosine-drifts", "interpolate", "detrend", "regress", "parcellate", "standardise"], "ledoit-wolf",
               ["--fd-threshold", "5"]),
}
SETTINGS = {("butterworth", "filter"): "high-pass = 0.01\nlow-pass = 0.12\n",
            ("cosine", "cosine-drifts"): "high-pass = 0.01\n",
            ("cosine", "interpolate"): 'method = "drop"\n'}
MATRICES = """
[[block]]
type = "covariance"
estimator = "ESTIMATOR"
[[block]]
type = "correlation"
[[block]]
type = "partial-correlation"
input = "covariance"
[[block]]
type = "tangent"
input = "covariance"
mean = "published"
[[block]]
type = "vectorise"
[[block]]
type = "readout"
"""


def upper_triangle(path):
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    values = [[float(cell) for cell in row[1:]] for row in rows[1:]]
    return [values[i][j] for i in range(3) for j in range(i, 3)]


with Folder() as out:
    data = tiny_regions.make(out / "data", runs=1)
    atlas = tiny_regions.atlas(out / "atlas.nii.gz")
    for case, (cleaning, estimator, censoring) in CASES.items():
        workflow = out / f"{case}.toml"
        workflow.write_text(TRAINING + "".join(f'[[block]]\ntype = "{block}"\n{SETTINGS.get((case, block), "")}'
                                               for block in cleaning) + MATRICES.replace("ESTIMATOR", estimator))
        run("fit-connectome", data, out / f"fit-{case}", "--workflow", workflow, "--atlas", atlas, "--confounds",
            "motion=basic", *censoring)
        run("connectome", data, out / case, "--workflow", out / f"fit-{case}" / "model-workflow.safetensors")
        for kind, name in (("correlation", "correlation"), ("partial-correlation", "partialCorrelation"),
                           ("tangent", "tangent")):
            for subject, golden in zip(("01", "06"), GOLDEN[kind, case]):
                found = upper_triangle(out / case / f"sub-{subject}" / "func" /
                                       f"sub-{subject}_task-look_run-1_stat-{name}_relmat.tsv")
                error = max(abs(a - b) for a, b in zip(found, golden))
                print(f"{kind:<20} {case:<12} sub-{subject}  largest difference {error:.1e}")
                assert error < 1e-8, (kind, case, subject, found, golden)
