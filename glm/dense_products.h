// glm/dense_products: small matrices times many voxels, with the widest vectors of the processor.
#pragma once

#include "noema/io/series.h"

namespace noema {

/// weights (M, n) · data (n, V). The result for a voxel depends neither on the others nor on the processor.
MatrixD dense_product(const MatrixD& weights, Eigen::Ref<const MatrixD, 0, Eigen::OuterStride<>> data);

}  // namespace noema
