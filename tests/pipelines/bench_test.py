"""`noema bench`: products of series recall what sums over them do not, and all backbones foresee frames as well as a
linear model. Long."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from command import Folder, at_least, long_only, run

run("bench", "tasks", "--mixer", "s5d", status=2)
long_only()


def rows(file):
    names, *lines = [line.split("\t") for line in file.read_text().splitlines()]
    return [dict(zip(names, line)) for line in lines]


with Folder() as folder:
    _, printed = run("bench", "tasks", folder / "tasks", "--mixer", "h3,attention,s4d", "--task",
                     "associative-recall,induction-heads", timeout=3600)
    cells = {(row["task"], row["backbone"]): row for row in rows(folder / "tasks" / "tasks.tsv")}
    score = {cell: float(row["score"]) for cell, row in cells.items()}
    assert "associative-recall" in printed and float(cells["associative-recall", "h3"]["chance"]) == 0.2
    assert all(int(row[size]) > 0 for row in cells.values() for size in ("parameters", "flops", "state_bytes"))
    for task in ("associative-recall", "induction-heads"):
        at_least(f"H3 in {task}", score[task, "h3"], 0.97)
        at_least(f"attention in {task}", score[task, "attention"], 0.97)
        at_least(f"how far S4D is below in {task}", 0.9 - score[task, "s4d"], 0)

    run("bench", "next-frame", folder / "frames", timeout=7200)
    scores = {row["predictor"]: row for row in rows(folder / "frames" / "next-frame.tsv")}
    error = {name: float(row["mean_absolute_error"]) for name, row in scores.items()}
    backbones = set(scores) - {"noise floor", "copy last frame", "linear autoregression"}
    assert {"long-conv", "h3", "attention"} < backbones and len(backbones) == 11, scores.keys()
    for backbone in sorted(backbones):
        assert error["noise floor"] < error[backbone] < error["copy last frame"], error
        # No worse than by what seeds make of it, and by no more than 1 % however much that is.
        row, linear = scores[backbone], error["linear autoregression"]
        assert int(row["parameters"]) > 0 and int(row["flops"]) > 0 and int(row["state_bytes"]) > 0, row
        tie = min(2 * float(row["sd_of_difference"]), 0.01 * linear)
        at_least(f"{backbone} beside the autoregression", tie - float(row["minus_autoregression"]), 0)
