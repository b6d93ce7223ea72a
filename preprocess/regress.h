// preprocess/regress: removes what confounds explain.
#pragma once

#include "noema/io/series.h"

namespace noema {

/// An orthonormal basis of the span of the columns, by a QR decomposition with column pivoting. Directions with |R_ii|
/// at most 100·ε (nilearn's rule; give columns of comparable scale) or 1e-10·|R_00| are left out: a repeated confound
/// differs from its twin by the rounding of its own mean, and that noise must not be regressed out. No columns give no
/// basis.
MatrixD orthonormal_basis(const MatrixD& columns);  // (T, C) → (T, rank)

/// series −= Q·(Qᵀ·series), in place. The result for a column does not depend on the others.
/// @throws ShapeError if the row counts differ
void remove_projection(MatrixD& series, const MatrixD& basis);  // (T, F), (T, R)

}  // namespace noema
