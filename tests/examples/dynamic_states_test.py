"""Hidden Markov states follow six states at a noise where no length of sliding windows does, whether k-means has their
correlations or their covariances."""
from comparison import compare, mean

rows = compare("dynamic_states")["correlation of the states' time courses with the planted ones"]
learned = rows.pop("hidden Markov states")
assert sum("correlations" in rival for rival in rows) == sum("covariances" in rival for rival in rows) == 4
assert mean(learned) >= 0.92
for rival, values in rows.items():
    assert mean(values) <= 0.80, rival
    assert all(a > b + 0.08 for a, b in zip(learned, values)), rival
