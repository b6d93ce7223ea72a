"""The group level of `noema glm`: voxels that count, tables of clusters, and permutation tests."""
import csv
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from command import Folder, at_least, results, run
from nifti import volumes_of

SMALL = ["--runs", "1", "--states", "2", "--shape", "12,12,10", "--seed", "1", "--drift", "0", "--spikes", "0"]
CONTRAST = ["--contrast", "difference=state1 - state2", "--noise", "ols", "--fwhm", "6"]


def table_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def values_of(out, rest):
    return volumes_of(out / "maps" / f"contrast-difference_{rest}")[1][0]


with Folder() as folder:
    data = folder / "bids"
    run("simulate", data, "--subjects", "7", "--level", "0.3", *SMALL)
    states = sorted({row["trial_type"] for row in table_of(next(data.rglob("*_events.tsv")))})
    CONTRAST[1] = "difference=" + " - ".join(f"'{state}'" for state in states)
    reverse = list(CONTRAST)  # has the larger positive effects
    reverse[1] = "difference=" + " - ".join(f"'{state}'" for state in reversed(states))
    out = folder / "group"
    run("glm", data, out, *CONTRAST, "--permutations", "500", "--tfce", "--cluster-threshold", "5", "--alpha", "0.05")
    found = results(out)
    for file in found["files"]:
        assert (out / file).exists(), file

    # What is kept is the z map above one height, in clusters of five voxels at least, as the table has them.
    z, kept = values_of(out, "stat-z_statmap.nii.gz"), values_of(out, "desc-thresholded_stat-z_statmap.nii.gz")
    assert all(k in (0, value) for k, value in zip(kept, z))
    rows = table_of(out / "maps" / "contrast-difference_clusters.tsv")
    sizes = [int(row["voxels"]) for row in rows if row["voxels"] != "n/a"]
    assert sum(sizes) == sum(k != 0 for k in kept) > 0 and min(sizes) >= 5, sizes
    assert abs(float(rows[0]["peak_z"]) - max(kept)) < 1e-4 * max(kept), rows[0]
    shares = [float(row["true_discoveries"]) for row in rows if row["voxels"] != "n/a"]
    assert all(0 <= share <= 1 for share in shares) and max(shares) > 0, shares
    assert abs(float(rows[0]["volume_mm3"]) - sizes[0] * 27) < 1e-3

    # Seven subjects have 2^7 sign flips: p is a multiple of 1/128 and 1/128 at best, where both signs count 2/128.
    for of in ("t", "tfce", "clustersize", "clustermass"):
        logp = values_of(out, f"desc-permutation_stat-{of}logp_statmap.nii.gz")
        shares = {round(128 * 10 ** -value, 3) for value in logp}
        assert all(abs(share - round(share)) < 0.01 for share in shares), (of, shares)
        assert min(shares) >= 1.99, (of, min(shares))
        at_least(f"largest -log10 p of {of}", max(logp), -math.log10(6 / 128))
    report = (out / "report.html").read_text()
    assert "all 127 sign flips of 7 subjects" in report

    # With a covariate the mean is tested by signs and the slope by orders, both of what the other column leaves.
    (data / "participants.tsv").write_text(
        "participant_id\tage\n" + "".join(f"sub-{s:02d}\t{20 + (7 * s * s) % 11}\n" for s in range(1, 8)))
    out = folder / "age"
    run("glm", data, out, *CONTRAST, "--group-formula", "age", "--permutations", "200", "--tfce")
    report = (out / "report.html").read_text()
    assert "all 127 sign flips of 7 subjects, of what" in report and "random 200 orders of 7 subjects, of what" in report
    for name, arrangements in (("Intercept", 128), ("Age", 201)):
        for of in ("t", "tfce", "clustersize", "clustermass"):
            logp = volumes_of(out / "maps" / f"contrast-difference{name}_desc-permutation_stat-{of}logp_statmap.nii.gz")[1][0]
            shares = {round(arrangements * 10 ** -value, 3) for value in logp}
            assert all(abs(share - round(share)) < 0.01 for share in shares), (name, of, shares)
            assert min(shares) < arrangements or (name == "Age" and of.startswith("cluster")), (name, of)
    at_least("largest -log10 p of the mean beside age", max(
        volumes_of(out / "maps" / "contrast-differenceIntercept_desc-permutation_stat-tlogp_statmap.nii.gz")[1][0]),
        -math.log10(10 / 128))

    # F of the rows of the subjects together, and of the columns of the group's model, at equal p maps of four statistics.
    rows = "; ".join(f"'{state}'" for state in states)
    out = folder / "f-of-rows"
    run("glm", data, out, "--contrast", f"difference={rows}", *CONTRAST[2:], "--permutations", "500", "--tfce",
        "--cluster-forming-p", "0.01")
    assert "all 127 sign flips of 7 subjects; smallest corrected p of F" in (out / "report.html").read_text()
    f_values = values_of(out, "stat-F_statmap.nii.gz")
    assert not (out / "maps" / "contrast-difference_desc-permutation_stat-tlogp_statmap.nii.gz").exists()
    for of in ("F", "tfce", "clustersize", "clustermass"):
        logp = values_of(out, f"desc-permutation_stat-{of}logp_statmap.nii.gz")
        shares = {round(128 * 10 ** -value, 3) for value in logp}
        assert all(abs(share - round(share)) < 0.01 for share in shares), (of, shares)
        assert 1.99 <= min(shares) < 64, (of, min(shares))  # all signs turned give the same F
        if of == "F":
            assert logp[f_values.index(max(f_values))] == max(logp), "the smallest p is of the largest F"
    out = folder / "f-of-columns"
    run("glm", data, out, *CONTRAST, "--group-formula", "age", "--group-contrast", "both=intercept; age",
        "--group-contrast", "slope=age;", "--permutations", "200")
    report = (out / "report.html").read_text()
    assert "all 127 sign flips" in report and "random 200 orders" in report and "p of F" in report, report[:2000]
    assert "p of t" not in report

    # Bonferroni keeps no more than the rate of false discoveries does, and the uncorrected level no fewer.
    kept_by = {}
    for control in ("fpr", "fdr", "bonferroni"):
        run("glm", data, folder / control, *CONTRAST, "--height-control", control)
        kept_by[control] = sum(k != 0 for k in values_of(folder / control, "desc-thresholded_stat-z_statmap.nii.gz"))
    assert kept_by["fpr"] > kept_by["fdr"] > kept_by["bonferroni"], kept_by

    # A height of one's own; shares of truly active voxels, which a stricter confidence makes no larger.
    fixed = folder / "fixed"
    run("glm", data, fixed, *reverse, "--height", "2.5", "--discovery-heights", "2,3.5")
    z, kept = values_of(fixed, "stat-z_statmap.nii.gz"), values_of(fixed, "desc-thresholded_stat-z_statmap.nii.gz")
    assert all(k == (value if abs(value) > 2.5 else 0) for k, value in zip(kept, z)) and any(kept)
    assert "(as asked for)" in (fixed / "report.html").read_text()
    share = values_of(fixed, "desc-trueDiscoveries_stat-proportion_statmap.nii.gz")
    assert all((s == 0 or value > 2) and 0 <= s <= 1 for s, value in zip(share, z)) and max(share) > 0.1, max(share)
    strict = folder / "strict"
    run("glm", data, strict, *reverse, "--height", "2.5", "--discovery-heights", "2,3.5", "--discovery-alpha", "0.001")
    less = values_of(strict, "desc-trueDiscoveries_stat-proportion_statmap.nii.gz")
    assert all(b <= a for a, b in zip(share, less)) and sum(less) < sum(share), (sum(less), sum(share))
    of_clusters = [[float(row["true_discoveries"]) for row in table_of(place / "maps" / "contrast-difference_clusters.tsv")
                    if row["true_discoveries"] != "n/a"] for place in (fixed, strict)]
    assert sum(of_clusters[1]) < sum(of_clusters[0]), of_clusters
    errors, _ = run("glm", data, folder / "bad", *reverse, "--height", "2", "--alpha", "0.01", status=2)
    assert "--height" in errors, errors

    # Of positive effects alone: 1/128 at best, not 2/128, and nothing for negative ones.
    one = folder / "one-sided"
    run("glm", data, one, *reverse, "--permutations", "500", "--one-sided")
    logp = values_of(one, "desc-permutation_stat-tlogp_statmap.nii.gz")
    t = values_of(one, "stat-t_statmap.nii.gz")
    both = values_of(out.parent / "group", "desc-permutation_stat-tlogp_statmap.nii.gz")
    assert all(l <= math.log10(128) + 1e-5 for l in logp) and max(logp) > max(both), (max(logp), max(both))
    assert max(l for l, value in zip(logp, t) if value < 0) < 0.1
    errors, _ = run("glm", data, folder / "bad", *CONTRAST, "--one-sided", status=2)
    assert "--permutations" in errors, errors

    errors, _ = run("glm", data, folder / "bad", *CONTRAST, "--tfce", status=2)
    assert "--permutations" in errors, errors
    errors, _ = run("glm", data, folder / "one", *CONTRAST, "--participant-label", "01", "--permutations", "10", status=2)
    assert "at least two subjects" in errors, errors
