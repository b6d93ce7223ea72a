#include "noema/preprocess/extract.h"

#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <Eigen/QR>
#include <Eigen/SVD>
#include <cmath>
#include <limits>

#include "noema/core/error.h"

namespace noema {
namespace {

constexpr double kSmallestCondition = 1e-10;

template <class T>
std::vector<double> means(std::span<const T> voxels, std::span<const std::int32_t> parcel_of_voxel,
                          std::int64_t parcels, std::span<const std::uint8_t> usable) {
  if (voxels.size() != parcel_of_voxel.size() || (!usable.empty() && usable.size() != voxels.size())) {
    throw ShapeError(fmt::format("parcel means: {} values, {} parcel numbers and {} marks of usable voxels",
                                 voxels.size(), parcel_of_voxel.size(), usable.size()));
  }
  std::vector<double> sum(static_cast<std::size_t>(parcels)), count(static_cast<std::size_t>(parcels));
  for (std::size_t v = 0; v < voxels.size(); ++v) {
    const std::int32_t parcel = parcel_of_voxel[v];
    if (parcel < 0 || (!usable.empty() && !usable[v]) || std::isnan(voxels[v])) continue;
    sum[static_cast<std::size_t>(parcel)] += static_cast<double>(voxels[v]);
    count[static_cast<std::size_t>(parcel)] += 1;
  }
  for (std::size_t p = 0; p < sum.size(); ++p) {
    sum[p] = count[p] > 0 ? sum[p] / count[p] : std::numeric_limits<double>::quiet_NaN();
  }
  return sum;
}

}  // namespace

void extract_voxels(std::span<const float> volume, const Mask& mask, std::span<float> values) {
  if (static_cast<std::int64_t>(volume.size()) != mask.grid.voxel_count() || values.size() != mask.voxels.size()) {
    throw ShapeError(fmt::format("{} values to take from a volume of {} by a mask of {} voxels in {}", values.size(),
                                 volume.size(), mask.size(), mask.grid.voxel_count()));
  }
  for (std::size_t v = 0; v < values.size(); ++v) values[v] = volume[static_cast<std::size_t>(mask.voxels[v])];
}

std::vector<double> parcel_means(std::span<const float> voxels, std::span<const std::int32_t> parcel_of_voxel,
                                 std::int64_t parcels, std::span<const std::uint8_t> usable) {
  return means(voxels, parcel_of_voxel, parcels, usable);
}

std::vector<double> parcel_means(std::span<const double> voxels, std::span<const std::int32_t> parcel_of_voxel,
                                 std::int64_t parcels, std::span<const std::uint8_t> usable) {
  return means(voxels, parcel_of_voxel, parcels, usable);
}

MapProjection::MapProjection(MatrixD maps) : maps_(std::move(maps)) {
  if (maps_.size() == 0) throw ShapeError("no maps to project on");
  if (!maps_.allFinite()) throw DataError("spatial maps with weights that are not finite");
  const Eigen::MatrixXd gram = maps_.transpose() * maps_;
  const Eigen::LLT<Eigen::MatrixXd> cholesky(gram);
  if (maps_.rows() >= maps_.cols() && cholesky.info() == Eigen::Success && cholesky.rcond() >= kSmallestCondition) {
    solution_ = cholesky.matrixL();
    return;
  }
  // The singular values of R are those of the maps.
  const Eigen::HouseholderQR<Eigen::MatrixXd> qr(maps_);
  const Eigen::Index least = std::min(maps_.rows(), maps_.cols());
  const Eigen::MatrixXd r = qr.matrixQR().topRows(least).triangularView<Eigen::Upper>();
  const Eigen::MatrixXd q = qr.householderQ() * Eigen::MatrixXd::Identity(maps_.rows(), least);
  const Eigen::JacobiSVD<Eigen::MatrixXd> svd(r, Eigen::ComputeThinU | Eigen::ComputeThinV);
  const double smallest = std::numeric_limits<double>::epsilon() * svd.singularValues()[0];
  const Eigen::VectorXd inverted = svd.singularValues().unaryExpr([&](double s) { return s > smallest ? 1 / s : 0.0; });
  inverse_ = svd.matrixV() * inverted.asDiagonal() * svd.matrixU().transpose() * q.transpose();
}

Eigen::VectorXd MapProjection::apply(std::span<const double> voxels) const {
  if (static_cast<Eigen::Index>(voxels.size()) != maps_.rows()) {
    throw ShapeError(fmt::format("{} values for maps of {} voxels", voxels.size(), maps_.rows()));
  }
  const Eigen::Map<const Eigen::VectorXd> y(voxels.data(), maps_.rows());
  if (!full_rank()) return inverse_ * y;
  Eigen::VectorXd weights = maps_.transpose() * y;
  const auto lower = solution_.triangularView<Eigen::Lower>();
  lower.solveInPlace(weights);
  lower.transpose().solveInPlace(weights);
  return weights;
}

}  // namespace noema
