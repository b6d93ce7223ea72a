#include "noema/glm/fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <utility>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/core/parallel.h"
#include "noema/glm/autoregression.h"
#include "noema/glm/dense_products.h"
#include "noema/glm/least_squares.h"
#include "noema/glm/noise_geometry.h"

namespace noema {
namespace {

constexpr std::int64_t kBlock =
    256;  // voxels whose series fit the second cache; fixed, so results do not depend on threads
constexpr int kLargestOrder = 20;

std::vector<std::int64_t> kept_volumes(Eigen::Index volumes, std::span<const std::uint8_t> keep) {
  std::vector<std::int64_t> kept;
  for (Eigen::Index t = 0; t < volumes; ++t) {
    if (keep.empty() || keep[static_cast<std::size_t>(t)] != 0) kept.push_back(t);
  }
  return kept;
}

template <class Data>
class Fitter {
 public:
  Fitter(const Data& data, const DesignMatrix& design, std::span<const std::uint8_t> keep, NoiseModel noise)
      : data_(data), kept_(kept_volumes(data.rows(), keep)), order_(noise.order) {
    fit_.names = design.names;
    DesignBasis basis = make_basis(design.values(kept_, Eigen::all));
    check_rank(basis.rank(), design.values.cols());
    fit_.rank = basis.rank();
    fit_.df = static_cast<double>(std::ssize(kept_) - fit_.rank);
    fit_.estimable = std::move(basis.estimable);
    fit_.coefficients.resize(design.values.cols(), data_.cols());
    fit_.dispersion.resize(data_.cols());
    fit_.r_squared.resize(data_.cols());
    fit_.autoregression.resize(order_, data_.cols());
    basis_ = basis.columns;
    transposed_basis_ = basis.columns.transpose();
    weights_ = basis.weights;
    geometry_ = std::make_shared<NoiseGeometry>(std::move(basis.weights), std::move(basis.columns), kept_, order_);
    fit_.geometry = geometry_;
  }

  GlmFit run() {
    const std::int64_t voxels = data_.cols();
    parallel_tasks((voxels + kBlock - 1) / kBlock, [&](std::int64_t block) {
      check_cancelled();
      fit_block(block * kBlock, std::min(kBlock, voxels - block * kBlock));
    });
    if (not_finite_ > 0) {
      throw DataError(fmt::format("{} of {} voxels have values that are not finite; leave them out of the mask",
                                  not_finite_.load(), voxels));
    }
    fit_.constant_voxels = constant_;
    return std::move(fit_);
  }

 private:
  void check_rank(Eigen::Index rank, Eigen::Index columns) const {
    if (rank >= std::ssize(kept_)) {
      throw DataError(
          fmt::format("the design has {} independent columns for {} volumes, so nothing is left to estimate noise; use "
                      "fewer regressors, a lower high-pass cut-off or keep more volumes",
                      rank, kept_.size()));
    }
    if (rank < columns) {
      log_warning(fmt::format(
          "the design has {} columns of which {} are independent; only contrasts that the others do not take the place "
          "of can be estimated",
          columns, rank));
    }
  }

  /// The series of some voxels at the kept volumes, in double precision.
  MatrixD gather(std::int64_t begin, std::int64_t count) const {
    MatrixD block(kept_.size(), count);
    for (std::size_t row = 0; row < kept_.size(); ++row) {
      const auto* from = data_.data() + kept_[row] * data_.cols() + begin;
      std::transform(from, from + count, block.data() + static_cast<std::int64_t>(row) * count,
                     [](auto value) { return static_cast<double>(value); });
    }
    return block;
  }

  static Eigen::RowVectorXd squares_about_mean(const MatrixD& block, const Eigen::RowVectorXd& first) {
    const Eigen::RowVectorXd mean = first + (block.rowwise() - first).colwise().mean();
    return (block.rowwise() - mean).colwise().squaredNorm();
  }

  void fit_block(std::int64_t begin, std::int64_t count) {
    MatrixD rest = gather(begin, count);
    const Eigen::RowVectorXd first = rest.row(0);
    const Eigen::RowVectorXd changes = (rest.rowwise() - first).cwiseAbs().colwise().sum();
    const Eigen::RowVectorXd variation = squares_about_mean(rest, first);
    MatrixD solution = dense_product(transposed_basis_, rest);  // (r, B), of the basis
    rest -= dense_product(basis_, solution);
    Eigen::RowVectorXd squares = rest.colwise().squaredNorm();
    Eigen::RowVectorXd unexplained = squares;
    if (order_ > 0) {
      const MatrixD before = solution;
      squares = refine(std::move(rest), solution, begin);
      unexplained += (solution - before).colwise().squaredNorm();  // the basis is orthonormal
    }
    fit_.coefficients.middleCols(begin, count) = dense_product(weights_, solution);
    fit_.dispersion.segment(begin, count) = (squares / fit_.df).transpose();
    fit_.r_squared.segment(begin, count) = 1 - (unexplained.array() / variation.array()).transpose();
    for (std::int64_t v = 0; v < count; ++v) {
      if (!std::isfinite(changes[v])) ++not_finite_;
      if (changes[v] == 0) clear_voxel(begin + v);
    }
  }

  /// From the solution of ordinary least squares, whose residuals are `rest`, to that of whitened data: the residuals
  /// are fitted once more, which spares rounding the voxel's large mean. Returns the squared norms of what is left.
  Eigen::RowVectorXd refine(MatrixD rest, MatrixD& solution, std::int64_t begin) {
    MatrixD rho = yule_walker(rest, kept_, order_);
    rho = rho.unaryExpr([](double r) { return std::isfinite(r) ? r : 0; });  // refused at the end
    if (order_ == 1) rho = rho.unaryExpr([](double r) { return std::trunc(r * Whitening::kBins) / Whitening::kBins; });
    WhitenedFit step = geometry_->whitening().fit(std::move(rest), rho);
    solution += step.coefficients;
    fit_.autoregression.middleCols(begin, rho.cols()) = rho;
    return std::move(step.squares);
  }

  /// Rounding leaves a constant series with a meaningless quotient of effect and noise; 0 says what is known.
  void clear_voxel(std::int64_t voxel) {
    fit_.coefficients.col(voxel).setZero();
    fit_.autoregression.col(voxel).setZero();
    fit_.dispersion[voxel] = fit_.r_squared[voxel] = 0;
    ++constant_;
  }

  const Data& data_;
  std::vector<std::int64_t> kept_;
  int order_;
  MatrixD basis_, transposed_basis_;  // (n, r)
  MatrixD weights_;                   // (P, r)
  std::shared_ptr<const NoiseGeometry> geometry_;
  std::atomic<std::int64_t> not_finite_{0}, constant_{0};
  GlmFit fit_;
};

template <class Data>
GlmFit fit_checked(const Data& data, const DesignMatrix& design, NoiseModel noise, std::span<const std::uint8_t> keep) {
  if (data.rows() != design.values.rows() || (!keep.empty() && std::ssize(keep) != data.rows()) || data.cols() == 0 ||
      design.values.cols() != std::ssize(design.names) || design.names.empty()) {
    throw ShapeError(fmt::format(
        "data are {} volumes × {} voxels, the design {} × {} with {} names, the marks of kept volumes {}; lengths must "
        "be equal and none empty",
        data.rows(), data.cols(), design.values.rows(), design.values.cols(), design.names.size(), keep.size()));
  }
  if (noise.order < 0 || noise.order > kLargestOrder) {
    throw UsageError(
        fmt::format("noise of order {} was asked for; orders go from 0 to {}", noise.order, kLargestOrder));
  }
  return Fitter(data, design, keep, noise).run();
}

}  // namespace

NoiseModel parse_noise_model(std::string_view name) {
  for (int order = 0; order <= kLargestOrder; ++order) {
    if (name == noise_model_name({order})) return {order};
  }
  throw UsageError(
      fmt::format("no noise model is called '{}'; there are 'ols' and 'ar1' to 'ar{}'", name, kLargestOrder));
}

std::string noise_model_name(NoiseModel noise) { return noise.order == 0 ? "ols" : fmt::format("ar{}", noise.order); }

GlmFit fit_glm(const MatrixF& data, const DesignMatrix& design, NoiseModel noise, std::span<const std::uint8_t> keep) {
  return fit_checked(data, design, noise, keep);
}

GlmFit fit_glm(const MatrixD& data, const DesignMatrix& design, NoiseModel noise, std::span<const std::uint8_t> keep) {
  return fit_checked(data, design, noise, keep);
}

Eigen::MatrixXd unit_covariance(const GlmFit& fit, Eigen::Index voxel) {
  const Eigen::MatrixXd columns = fit.geometry->weights().transpose();
  const MatrixD triangle = fit.geometry->whitening().covariances(fit.autoregression.col(voxel), {&columns, 1});
  Eigen::MatrixXd covariance(columns.cols(), columns.cols());
  Eigen::Index place = 0;
  for (Eigen::Index i = 0; i < columns.cols(); ++i) {
    for (Eigen::Index j = 0; j <= i; ++j) covariance(i, j) = covariance(j, i) = triangle(place++, 0);
  }
  return covariance;
}

}  // namespace noema
