"""Parcels learned from random weights recover a planted atlas, and fit the half of a measured run they never saw."""
import sys

from comparison import compare, mean

tables = compare("parcellation")
index = tables["adjusted Rand index with the planted atlas"]
assert mean(index["learned parcels"]) >= 0.90
assert all(a > b for a, b in zip(index["learned parcels"], index["k-means of series"]))
assert all(a > b for a, b in zip(index["learned parcels"], index["k-means of places"]))
measured = tables.get("homogeneity of the half of the run that was not trained on")
if measured is None:
    print("the planted atlas is recovered; the localizer run is not there")
    sys.exit(77)
assert len(measured["geometric parcels"]) == 5
assert min(measured["learned parcels"]) > max(measured["geometric parcels"])
