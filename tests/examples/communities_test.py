"""Descent on the modularity loss finds communities of a stochastic block model that spectral clustering blurs, and as
many as moves of single nodes do."""
from comparison import compare, mean

tables = compare("communities")
index = tables["adjusted Rand index with the planted communities"]
spectral, moves, descent = (index[name] for name in ("spectral clustering", "spectral, then single moves",
                                                     "modularity by descent"))
assert mean(spectral) <= 0.90
assert mean(descent) >= 0.95
assert mean(descent) >= mean(spectral) + 0.05
assert all(a > b for a, b in zip(descent, spectral))
assert mean(descent) >= mean(moves) - 0.01
quality = tables["modularity Q"]
assert all(a > b for a, b in zip(quality["modularity by descent"], quality["spectral clustering"]))
