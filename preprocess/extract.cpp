#include "noema/preprocess/extract.h"

#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <Eigen/QR>
#include <Eigen/SVD>
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/parallel.h"
#include "noema/preprocess/simd.h"

namespace noema {
namespace {

constexpr double kSmallestCondition = 1e-10;
/// Volumes and maps that are multiplied at once, and voxels that stay in the cache meanwhile.
constexpr std::int64_t kVolumes = 8, kMaps = 8, kVoxels = 512;
using Eight = double __attribute__((vector_size(kMaps * sizeof(double)), aligned(alignof(double))));

/// sums[t·kMaps + f] = Σ_v volumes[v·kVolumes + t]·maps[v·stride + f] for kVolumes volumes and kMaps maps.
NOEMA_SIMD_CLONES
void products(const double* volumes, const double* maps, std::int64_t stride, std::int64_t voxels, double* sums) {
  Eight local[kVolumes] = {};
  for (std::int64_t v = 0; v < voxels; ++v) {
    const Eight row = *reinterpret_cast<const Eight*>(maps + v * stride);
    for (std::int64_t t = 0; t < kVolumes; ++t) local[t] += volumes[v * kVolumes + t] * row;
  }
  std::memcpy(sums, local, sizeof(local));
}

/// volumes·maps, a stretch of voxels after the other so that the maps' part of it stays in the cache.
MatrixD products_of(const Eigen::Ref<const MatrixF>& volumes, const MatrixD& maps) {
  const std::int64_t count = volumes.rows();
  MatrixD sums = MatrixD::Zero((count + kVolumes - 1) / kVolumes * kVolumes, maps.cols());
  MatrixD turned = MatrixD::Zero(kVoxels, kVolumes);
  Eigen::Matrix<double, kVolumes, kMaps, Eigen::RowMajor> block;
  for (std::int64_t v = 0; v < volumes.cols(); v += kVoxels) {
    check_cancelled();
    const std::int64_t voxels = std::min(kVoxels, volumes.cols() - v);
    for (std::int64_t t = 0; t < count; t += kVolumes) {
      const std::int64_t rows = std::min(kVolumes, count - t);
      turned.topLeftCorner(voxels, rows) = volumes.block(t, v, rows, voxels).transpose().cast<double>();
      for (std::int64_t f = 0; f < maps.cols(); f += kMaps) {
        products(turned.data(), maps.row(v).data() + f, maps.cols(), voxels, block.data());
        sums.block<kVolumes, kMaps>(t, f) += block;
      }
    }
  }
  return sums;
}

MatrixD pseudo_inverse_transposed(const MatrixD& maps) {
  // The singular values of R are those of the maps.
  const Eigen::HouseholderQR<Eigen::MatrixXd> qr(maps);
  const Eigen::Index least = std::min(maps.rows(), maps.cols());
  const Eigen::MatrixXd r = qr.matrixQR().topRows(least).triangularView<Eigen::Upper>();
  const Eigen::MatrixXd q = qr.householderQ() * Eigen::MatrixXd::Identity(maps.rows(), least);
  const Eigen::JacobiSVD<Eigen::MatrixXd> svd(r, Eigen::ComputeThinU | Eigen::ComputeThinV);
  const double smallest = std::numeric_limits<double>::epsilon() * svd.singularValues()[0];
  const Eigen::VectorXd inverted = svd.singularValues().unaryExpr([&](double s) { return s > smallest ? 1 / s : 0.0; });
  return q * svd.matrixU() * inverted.asDiagonal() * svd.matrixV().transpose();
}

}  // namespace

void extract_voxels(std::span<const float> volume, const Mask& mask, std::span<float> values) {
  if (static_cast<std::int64_t>(volume.size()) != mask.grid.voxel_count() || values.size() != mask.voxels.size()) {
    throw ShapeError(fmt::format("{} values to take from a volume of {} by a mask of {} voxels in {}", values.size(),
                                 volume.size(), mask.size(), mask.grid.voxel_count()));
  }
  for (std::size_t v = 0; v < values.size(); ++v) values[v] = volume[static_cast<std::size_t>(mask.voxels[v])];
}

MapProjection::MapProjection(const MatrixD& maps) : maps_(maps.cols()) {
  if (maps.size() == 0) throw ShapeError("no maps to project on");
  if (!maps.allFinite()) throw DataError("spatial maps with weights that are not finite");
  columns_ = MatrixD::Zero(maps.rows(), (maps_ + kMaps - 1) / kMaps * kMaps);
  const Eigen::MatrixXd gram = maps.transpose() * maps;
  const Eigen::LLT<Eigen::MatrixXd> cholesky(gram);
  if (maps.rows() >= maps_ && cholesky.info() == Eigen::Success && cholesky.rcond() >= kSmallestCondition) {
    cholesky_ = cholesky.matrixL();
    columns_.leftCols(maps_) = maps;
  } else {
    columns_.leftCols(maps_) = pseudo_inverse_transposed(maps);
  }
}

void MapProjection::solve(Eigen::Ref<Eigen::VectorXd> weights) const {
  if (!full_rank()) return;
  const auto lower = cholesky_.triangularView<Eigen::Lower>();
  lower.solveInPlace(weights);
  lower.transpose().solveInPlace(weights);
}

Eigen::VectorXd MapProjection::apply(std::span<const double> voxels) const {
  if (static_cast<Eigen::Index>(voxels.size()) != columns_.rows()) {
    throw ShapeError(fmt::format("{} values for maps of {} voxels", voxels.size(), columns_.rows()));
  }
  Eigen::VectorXd weights =
      columns_.leftCols(maps_).transpose() * Eigen::Map<const Eigen::VectorXd>(voxels.data(), columns_.rows());
  solve(weights);
  return weights;
}

MatrixD MapProjection::apply(const Eigen::Ref<const MatrixF>& volumes) const {
  if (volumes.cols() != columns_.rows()) {
    throw ShapeError(fmt::format("{} values for maps of {} voxels", volumes.cols(), columns_.rows()));
  }
  MatrixD weights(volumes.rows(), maps_);
  parallel_for(volumes.rows(), kVolumes, [&](std::int64_t begin, std::int64_t end) {
    const MatrixD sums = products_of(volumes.middleRows(begin, end - begin), columns_);
    for (std::int64_t t = begin; t < end; ++t) {
      Eigen::VectorXd solved = sums.row(t - begin).head(maps_).transpose();
      solve(solved);
      weights.row(t) = solved.transpose();
    }
  });
  return weights;
}

}  // namespace noema
