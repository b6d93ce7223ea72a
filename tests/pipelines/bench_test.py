"""`noema bench`: products of series recall what sums over them do not, and backbones foresee frames as well as a linear
model. Long."""
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
    _, printed = run("bench", "tasks", folder / "tasks", "--mixer", "h3,attention,s4d", "--task", "associative-recall",
                     timeout=3600)
    cells = {row["backbone"]: row for row in rows(folder / "tasks" / "tasks.tsv")}
    assert "associative-recall" in printed and float(cells["h3"]["chance"]) == 0.2
    at_least("H3", float(cells["h3"]["score"]), 0.97)
    at_least("attention", float(cells["attention"]["score"]), 0.97)
    at_least("how far S4D is below", 0.9 - float(cells["s4d"]["score"]), 0)

    run("bench", "next-frame", folder / "frames", "--mixer", "long-conv,h3,attention", timeout=7200)
    scores = {row["predictor"]: row for row in rows(folder / "frames" / "next-frame.tsv")}
    error = {name: float(row["mean_absolute_error"]) for name, row in scores.items()}
    for backbone in ("long-conv", "h3", "attention"):
        assert error["noise floor"] < error[backbone] < error["copy last frame"], error
        row = scores[backbone]
        tie = 2 * float(row["sd_of_difference"])
        at_least(f"{backbone} beside the autoregression", -float(row["minus_autoregression"]) + tie, 0)
