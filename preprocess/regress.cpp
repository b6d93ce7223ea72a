#include "noema/preprocess/regress.h"

#include <fmt/format.h>

#include <Eigen/QR>
#include <algorithm>
#include <cmath>
#include <limits>

#include "noema/core/error.h"
#include "noema/preprocess/simd.h"

namespace noema {
namespace {

constexpr Eigen::Index kAtOnce = 4;
constexpr double kSmallestShare = 1e-10;
// Columns that are worked on at once, as two vectors.
constexpr Eigen::Index kWide = 8;
constexpr Eigen::Index kPanel = 2 * kWide;
using Wide = double __attribute__((vector_size(kWide * sizeof(double)), aligned(sizeof(double)), may_alias));

/// weights (R, 16) = basisᵀ (T, R) times 16 columns of the series. R is a multiple of four.
NOEMA_SIMD_CLONES
void products(const double* series, Eigen::Index stride, const double* basis, Eigen::Index rows, Eigen::Index rank,
              double* weights) {
  for (Eigen::Index r = 0; r < rank; r += kAtOnce) {
    Wide a0{}, a1{}, b0{}, b1{}, c0{}, c1{}, d0{}, d1{};
    const double* x = series;
    const double* q = basis + r;
    for (Eigen::Index t = 0; t < rows; ++t, x += stride, q += rank) {
      const Wide* values = reinterpret_cast<const Wide*>(x);
      const Wide x0 = values[0], x1 = values[1];
      a0 += q[0] * x0;
      a1 += q[0] * x1;
      b0 += q[1] * x0;
      b1 += q[1] * x1;
      c0 += q[2] * x0;
      c1 += q[2] * x1;
      d0 += q[3] * x0;
      d1 += q[3] * x1;
    }
    Wide* to = reinterpret_cast<Wide*>(weights + r * kPanel);
    to[0] = a0, to[1] = a1, to[2] = b0, to[3] = b1, to[4] = c0, to[5] = c1, to[6] = d0, to[7] = d1;
  }
}

/// 16 columns of the series −= basis (T, R) times weights (R, 16). T is a multiple of four.
NOEMA_SIMD_CLONES
void subtract(double* series, Eigen::Index stride, const double* basis, Eigen::Index rows, Eigen::Index rank,
              const double* weights) {
  for (Eigen::Index t = 0; t < rows; t += kAtOnce) {
    Wide a0{}, a1{}, b0{}, b1{}, c0{}, c1{}, d0{}, d1{};
    const double* q = basis + t * rank;
    const Wide* w = reinterpret_cast<const Wide*>(weights);
    for (Eigen::Index r = 0; r < rank; ++r, w += 2) {
      a0 += q[r] * w[0];
      a1 += q[r] * w[1];
      b0 += q[rank + r] * w[0];
      b1 += q[rank + r] * w[1];
      c0 += q[2 * rank + r] * w[0];
      c1 += q[2 * rank + r] * w[1];
      d0 += q[3 * rank + r] * w[0];
      d1 += q[3 * rank + r] * w[1];
    }
    double* x = series + t * stride;
    Wide* first = reinterpret_cast<Wide*>(x);
    Wide* second = reinterpret_cast<Wide*>(x + stride);
    Wide* third = reinterpret_cast<Wide*>(x + 2 * stride);
    Wide* fourth = reinterpret_cast<Wide*>(x + 3 * stride);
    first[0] -= a0, first[1] -= a1, second[0] -= b0, second[1] -= b1;
    third[0] -= c0, third[1] -= c1, fourth[0] -= d0, fourth[1] -= d1;
  }
}

Eigen::Index up_to_four(Eigen::Index n) { return (n + kAtOnce - 1) / kAtOnce * kAtOnce; }

}  // namespace

MatrixD orthonormal_basis(const MatrixD& columns) {
  if (columns.cols() == 0 || columns.rows() == 0) return MatrixD(columns.rows(), 0);
  const Eigen::ColPivHouseholderQR<Eigen::MatrixXd> qr(columns);
  const double smallest =
      std::max(100 * std::numeric_limits<double>::epsilon(), kSmallestShare * std::abs(qr.matrixQR()(0, 0)));
  const Eigen::Index most = std::min(columns.rows(), columns.cols());
  Eigen::Index rank = 0;
  while (rank < most && std::abs(qr.matrixQR()(rank, rank)) > smallest) ++rank;
  const Eigen::MatrixXd identity = Eigen::MatrixXd::Identity(columns.rows(), rank);
  return qr.householderQ() * identity;
}

void remove_projection(MatrixD& series, const MatrixD& basis) {
  if (series.rows() != basis.rows()) {
    throw ShapeError(fmt::format("confounds of {} volumes for a series of {}", basis.rows(), series.rows()));
  }
  const Eigen::Index rows = series.rows(), rank = up_to_four(basis.cols()), padded_rows = up_to_four(rows);
  MatrixD padded = MatrixD::Zero(padded_rows, rank);
  padded.topLeftCorner(rows, basis.cols()) = basis;
  MatrixD weights(rank, kPanel);
  // The last rows and columns may not fill fours and panels; they are worked on in a copy that zeros fill up.
  MatrixD panel;
  for (Eigen::Index begin = 0; begin < series.cols(); begin += kPanel) {
    const Eigen::Index width = std::min(kPanel, series.cols() - begin);
    double* columns = series.data() + begin;
    Eigen::Index stride = series.cols();
    const bool copies = padded_rows > rows || width < kPanel;
    if (copies) {
      panel.setZero(padded_rows, kPanel);
      panel.topLeftCorner(rows, width) = series.middleCols(begin, width);
      columns = panel.data();
      stride = kPanel;
    }
    // All products before any subtraction: the basis is orthonormal only up to rounding.
    products(columns, stride, padded.data(), padded_rows, rank, weights.data());
    subtract(columns, stride, padded.data(), padded_rows, rank, weights.data());
    if (copies) series.middleCols(begin, width) = panel.topLeftCorner(rows, width);
  }
}

}  // namespace noema
