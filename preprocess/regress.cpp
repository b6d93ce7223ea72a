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

/// weights (4, F) = the products of four basis columns (given by row: basis[t·stride + r]) with the series.
NOEMA_SIMD_CLONES
void products(const double* series, const double* basis, Eigen::Index rows, Eigen::Index features, Eigen::Index stride,
              double* weights) {
  for (Eigen::Index i = 0; i < kAtOnce * features; ++i) weights[i] = 0;
  double* w0 = weights;
  double* w1 = w0 + features;
  double* w2 = w1 + features;
  double* w3 = w2 + features;
  for (Eigen::Index t = 0; t < rows; ++t) {
    const double* x = series + t * features;
    const double* q = basis + t * stride;
    const double q0 = q[0], q1 = q[1], q2 = q[2], q3 = q[3];
#pragma GCC ivdep
    for (Eigen::Index f = 0; f < features; ++f) {
      w0[f] += q0 * x[f];
      w1[f] += q1 * x[f];
      w2[f] += q2 * x[f];
      w3[f] += q3 * x[f];
    }
  }
}

NOEMA_SIMD_CLONES
void subtract(double* series, const double* basis, Eigen::Index rows, Eigen::Index features, Eigen::Index stride,
              const double* weights) {
  const double* w0 = weights;
  const double* w1 = w0 + features;
  const double* w2 = w1 + features;
  const double* w3 = w2 + features;
  for (Eigen::Index t = 0; t < rows; ++t) {
    double* x = series + t * features;
    const double* q = basis + t * stride;
    const double q0 = q[0], q1 = q[1], q2 = q[2], q3 = q[3];
#pragma GCC ivdep
    for (Eigen::Index f = 0; f < features; ++f) x[f] -= (q0 * w0[f] + q1 * w1[f]) + (q2 * w2[f] + q3 * w3[f]);
  }
}

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
  // In fours, the last group filled up with columns of zeros.
  const Eigen::Index width = (basis.cols() + kAtOnce - 1) / kAtOnce * kAtOnce;
  MatrixD padded = MatrixD::Zero(basis.rows(), width);
  padded.leftCols(basis.cols()) = basis;
  // All products before any subtraction: the basis is orthonormal only up to rounding.
  MatrixD weights(width, series.cols());
  for (Eigen::Index r = 0; r < width; r += kAtOnce) {
    products(series.data(), padded.data() + r, series.rows(), series.cols(), width, weights.row(r).data());
  }
  for (Eigen::Index r = 0; r < width; r += kAtOnce) {
    subtract(series.data(), padded.data() + r, series.rows(), series.cols(), width, weights.row(r).data());
  }
}

}  // namespace noema
