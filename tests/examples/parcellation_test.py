"""Parcels learned from random weights recover a planted atlas that k-means of series, smoothed or not, of places and of
both together does not, and fit the half of a measured run they never saw better than geometric parcels."""
import sys

from comparison import compare, mean

tables = compare("parcellation")
index = tables["adjusted Rand index with the planted atlas"]
learned = index.pop("learned parcels")
assert len(learned) == 5 and min(learned) >= 0.90
assert len(index) == 11, "rivals"
for rival, values in index.items():
    assert mean(learned) >= mean(values) + 0.03, rival
measured = tables.get("homogeneity of the half of the run that was not trained on")
if measured is None:
    print("the planted atlas is recovered; the localizer run is not there")
    sys.exit(77)
assert all(len(values) == 5 for values in measured.values())
assert {"k-means of series", "k-means of series and places"} < set(measured)
assert min(measured["learned parcels"]) > 1.5 * max(measured["geometric parcels"])
