"""Twelve learned mixtures of delayed confounds leave less of motion in connectivity, and more of what was planted, than
the regression of 36 parameters, of 32, and of principal components of the same delayed confounds, in subjects they were
not trained on."""
from comparison import compare

tables = compare("denoising")
follows = tables["median |QC-FC| of held-out subjects"]
alike = tables["correlation with the planted connectivity, mean over subjects"]
error = tables["root mean square error of connectivity, mean over subjects"]
learned = "learned, rank 12 of the 32, delayed"
rivals = [method for method in follows if method != learned]
assert len(rivals) == 7 and "36 parameters" in rivals and len(follows[learned]) == 3
for rival in rivals:
    assert all(a < b - 0.1 for a, b in zip(follows[learned], follows[rival])), rival
    assert all(a > b + 0.01 for a, b in zip(alike[learned], alike[rival])), rival
    assert all(a < b for a, b in zip(error[learned], error[rival])), rival
assert all(a < b for a, b in zip(follows["36 parameters"], follows["nothing removed"]))
