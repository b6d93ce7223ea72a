#include "noema/glm/dense_products.h"

#include <gtest/gtest.h>

namespace noema {
namespace {

TEST(DenseProducts, EqualTheSumsForAllRemainders) {
  for (const Eigen::Index rows : {1, 3, 4, 9}) {
    for (const Eigen::Index voxels : {1, 15, 16, 17, 40}) {
      MatrixD weights(rows, 5), data(5, voxels + 3);
      for (Eigen::Index i = 0; i < weights.size(); ++i) weights.data()[i] = static_cast<double>((7 * i + 3) % 11 - 5);
      for (Eigen::Index i = 0; i < data.size(); ++i) data.data()[i] = static_cast<double>((5 * i + 1) % 13 - 6);
      const MatrixD product = dense_product(weights, data.middleCols(2, voxels));
      ASSERT_EQ(product.rows(), rows);
      ASSERT_EQ(product.cols(), voxels);
      for (Eigen::Index r = 0; r < rows; ++r) {
        for (Eigen::Index v = 0; v < voxels; ++v) {
          double sum = 0;
          for (Eigen::Index t = 0; t < 5; ++t) sum += weights(r, t) * data(t, v + 2);
          EXPECT_EQ(product(r, v), sum) << rows << " rows, " << voxels << " voxels, at " << r << ", " << v;
        }
      }
    }
  }
}

}  // namespace
}  // namespace noema
