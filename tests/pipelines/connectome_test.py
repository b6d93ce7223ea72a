"""Connectivity matrices of a whole dataset: what is written, that it fits together, and that it serves to decode."""
import math
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from command import Folder, model, results, run
from nifti import labelled


def table(path):
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    return rows[0], rows[1:]


def matrix(path):
    header, rows = table(path)
    assert header[0] == "region" and header[1:] == [row[0] for row in rows], "rows and columns have other names"
    return header[1:], [[float(cell) for cell in row[1:]] for row in rows]


def near(a, b, tolerance=1e-9):
    return all(abs(x - y) <= tolerance for row, other in zip(a, b) for x, y in zip(row, other))


with Folder() as out:
    run("simulate", out / "data", "--subjects", "3", "--runs", "2", "--shape", "12,14,12", "--seed", "3")
    kinds = ["correlation", "covariance", "partial-correlation", "precision", "tangent"]
    common = ["--parcels", "12", "--confounds", "simple"]
    run("connectome", out / "data", out / "all", "--kind", ",".join(kinds), *common, timeout=120)
    found = results(out / "all")
    assert found["command"] == "connectome" and found["subjects"] == ["01", "02", "03"]
    assert [entry["kind"] for entry in found["connectome"]["matrices"]] == kinds
    for file in found["files"]:
        assert (out / "all" / file).exists(), file

    header, regions = table(out / "all" / "regions.tsv")
    assert header == ["index", "name", "voxels", "x_mm", "y_mm", "z_mm"] and len(regions) == 12
    stem = "stat-{}_relmat.tsv"
    runs = [f"sub-{s:02}/func/sub-{s:02}_task-states_run-{r:02}_" for s in (1, 2, 3) for r in (1, 2)]
    for kind, name in zip(kinds, ["correlation", "covariance", "partialCorrelation", "precision", "tangent"]):
        matrices = []
        for of_run in runs:
            names, values = matrix(out / "all" / (of_run + stem.format(name)))
            assert names == [row[1] for row in regions]
            assert near(values, list(zip(*values)), 1e-9 * max(map(max, values))), f"{kind} is not symmetric"
            matrices.append(values)
        assert not near(matrices[0], matrices[1], 1e-3), f"{kind}: all runs are the same"
        _, group = matrix(out / "all" / "group" / ("group_" + stem.format(name)))
        mean = [[sum(m[i][j] for m in matrices) / 6 for j in range(12)] for i in range(12)]
        largest = max(abs(x) for row in group for x in row)
        if kind == "tangent":
            assert near(mean, [[0] * 12] * 12, 1e-8), "tangent vectors do not cancel at their mean"
        else:
            assert near(group, mean, 1e-9 * largest), f"{kind}: the group is not the mean of its runs"
        if "correlation" in kind:
            assert all(group[i][i] == 1 for i in range(12)) and largest == 1
    page = (out / "all" / "report.html").read_text()
    assert "Connectivity of Simulated states" in page and "from above" in page and "correlation, mean of 6 runs" in page
    run("report", out / "all")
    assert (out / "all" / "report.html").read_text() == page, "noema report makes another page"
    _, said = run("info", out / "all" / "connectome.h5")
    assert "sub-03_task-states_run-02" in said and "partial-correlation" in said

    # Precision is the inverse of the covariance.
    _, covariance = matrix(out / "all" / (runs[0] + stem.format("covariance")))
    _, precision = matrix(out / "all" / (runs[0] + stem.format("precision")))
    product = [[sum(covariance[i][k] * precision[k][j] for k in range(12)) for j in range(12)] for i in range(12)]
    assert near(product, [[float(i == j) for j in range(12)] for i in range(12)], 1e-8)

    # A second call takes up the series; the participant level makes no matrices.
    errors, _ = run("connectome", out / "data", out / "all", "--kind", "tangent", *common)
    assert "3 of 3 subjects were finished before" in errors, errors
    run("connectome", out / "data", out / "one", "participant", "--participant-label", "02", *common)
    assert not (out / "one" / "connectome.h5").exists()
    assert (out / "one" / "sub-02" / "func" / "sub-02_desc-series_bold.h5").exists()

    errors, _ = run("connectome", out / "data", out / "wide", "--kind", "precision", "--estimator", "empirical",
                    "--parcels", "300", status=1)
    assert "of 300 regions, expected more frames than regions" in errors, errors
    # 196 volumes would do for 190 regions, but not what the confounds leave of them.
    narrow = ["connectome", out / "data", out / "narrow", "--kind", "precision", "--parcels", "190", "--confounds", "simple"]
    errors, _ = run(*narrow, "--estimator", "empirical", status=1)
    found_rank = re.search(r"found (\d+) independent dimensions in 196 kept volumes of 190 regions", errors)
    assert found_rank and 150 < int(found_rank[1]) < 190 and "expected 190, one a region" in errors, errors
    assert not (out / "narrow" / "results.json").exists() and not (out / "narrow" / "connectome.h5").exists()
    run(*narrow, "--estimator", "ledoit-wolf", timeout=120)
    errors, _ = run("connectome", out / "data", out / "voxels", "--parcels", "1000", "--features", "parcels", "--fd-threshold",
                    "0.000001", "--confounds", "simple", status=1)
    assert "all 196 volumes are censored; raise the thresholds or drop the run" in errors, errors
    assert "none of 3 subjects could be preprocessed" in errors, errors
    errors, _ = run("connectome", out / "data", out / "single", "--kind", "correlation,tangent", "--participant-label", "01",
                    "--run", "01", *common, status=1)
    assert "found one run, expected two or more" in errors and not (out / "single").exists(), errors
    errors, _ = run("connectome", out / "data", out / "kind", "--kind", "pearson", status=2)
    assert "partial-correlation" in errors, errors

    # Labels with gaps, a region outside of the brain and one that the table alone has: the regions that are there, by
    # their own names and in the order of their labels, with the numbers of an atlas without gaps.
    brain = out / "data" / "ground-truth" / "brain.nii.gz"
    labelled(brain, out / "gaps.nii.gz", lambda x, y, z, inside: (7, 40, 200)[z // 4] if inside else 90 * (x + y + z == 0))
    (out / "gaps.tsv").write_text("index\tname\n200\ttop\n40\tmiddle\n7\tbottom\n90\taway\n99\tnowhere\n")
    labelled(brain, out / "plain.nii.gz", lambda x, y, z, inside: 1 + z // 4 if inside else 0)
    both = {}
    for atlas in ("gaps", "plain"):
        errors, _ = run("connectome", out / "data", out / atlas, "--atlas", out / f"{atlas}.nii.gz", "--confounds", "simple")
        assert ("1 of 4 regions have no voxel in the mask and are dropped: away" in errors) == (atlas == "gaps"), errors
        both[atlas] = matrix(out / atlas / (runs[0] + stem.format("correlation")))
    assert both["gaps"][0] == ["bottom", "middle", "top"], both["gaps"][0]
    assert near(both["gaps"][1], both["plain"][1], 1e-12) and abs(both["gaps"][1][0][1]) < 0.999
    labelled(brain, out / "empty.nii.gz", lambda x, y, z, inside: 0)
    errors, _ = run("connectome", out / "data", out / "empty", "--atlas", out / "empty.nii.gz", status=1)
    assert "every voxel is 0" in errors and "empty.nii.gz" in errors, errors

    # The same matrices as samples: runs of three subjects, told apart by an entity of their names.
    decode = ["decode", out / "data", out / "decode", "--run-label", "run", "--model", "fc-ridge", "--permutations", "0",
              "--parcels", "12", "--features", "parcels", "--no-glm"]
    run(*decode, "--connectivity", "tangent")
    tangent = model(results(out / "decode"), "fc-ridge")
    assert tangent["sample_unit"] == "runs" and math.isfinite(tangent["balanced_accuracy"]["mean"])
    said, _ = run(*decode, "--connectivity", "tangents", status=2)
    assert "tangent" in said
