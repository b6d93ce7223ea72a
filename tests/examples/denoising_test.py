"""Twelve learned mixtures of delayed confounds leave less of motion in connectivity, and more of what was planted, than
the regression of 36 parameters, in subjects they were not trained on."""
from comparison import compare

tables = compare("denoising")
follows = tables["median |QC-FC| of held-out subjects"]
alike = tables["correlation with the planted connectivity, mean over subjects"]
error = tables["root mean square error of connectivity, mean over subjects"]
plain, learned, nothing = "36 parameters", "learned, rank 12", "nothing removed"
assert len(follows[learned]) == 3
assert all(a < b < c for a, b, c in zip(follows[learned], follows[plain], follows[nothing]))
assert all(a >= b for a, b in zip(alike[learned], alike[plain]))
assert all(a <= b for a, b in zip(error[learned], error[plain]))
