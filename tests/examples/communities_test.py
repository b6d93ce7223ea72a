"""Descent on the modularity loss finds communities of a stochastic block model that spectral clustering blurs."""
from comparison import compare, mean

tables = compare("communities")
index = tables["adjusted Rand index with the planted communities"]
assert mean(index["spectral clustering"]) <= 0.90
assert mean(index["modularity by descent"]) >= 0.95
assert all(a > b for a, b in zip(index["modularity by descent"], index["spectral clustering"]))
quality = tables["modularity Q"]
assert all(a > b for a, b in zip(quality["modularity by descent"], quality["spectral clustering"]))
