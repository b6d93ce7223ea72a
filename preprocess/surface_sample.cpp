// Values of a volume at the vertices of a mesh.
#include <fmt/format.h>

#include <Eigen/Geometry>
#include <Eigen/LU>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "noema/core/error.h"
#include "noema/core/parallel.h"
#include "noema/preprocess/surface.h"

namespace noema {
namespace {

using Points = Eigen::Matrix<double, Eigen::Dynamic, 3, Eigen::RowMajor>;

constexpr std::int64_t kGrain = 256;

/// From 1 to −1 (one sample: 1), as nilearn spreads them.
std::vector<double> spread(int count, double first, double last) {
  std::vector<double> values;
  for (int i = 0; i < count; ++i) values.push_back(count == 1 ? first : first + (last - first) * i / (count - 1));
  return values;
}

/// 0 … count − 1 in the order of their digits to the base 3, read backwards: neighbours lie far apart.
std::vector<int> scattered(int count) {
  std::vector<double> backwards;
  for (int i = 0; i < count; ++i) {
    double value = 0, digit = 1.0 / 3;
    for (int rest = i; rest > 0; rest /= 3, digit /= 3) value += digit * (rest % 3);
    backwards.push_back(value);
  }
  std::vector<int> place;
  for (const double value : backwards) {
    place.push_back(static_cast<int>(
        std::count_if(backwards.begin(), backwards.end(), [&](double other) { return other < value; })));
  }
  return place;
}

/// Points of the unit ball, evenly spread by volume, each with its opposite, so that their mean is the centre. The
/// directions of one half are a spiral of the golden angle from the pole to the equator; radii are scattered over it.
Points ball_points(int count) {
  Points points(count, 3);
  const int half = count / 2;
  const std::vector<int> shell = scattered(half);
  const double golden = std::numbers::pi * (3 - std::sqrt(5.0));
  if (count % 2 == 1) points.row(count - 1).setZero();
  for (int i = 0; i < half; ++i) {
    const double radius = std::cbrt((shell[static_cast<std::size_t>(i)] + 0.5) / half);
    const double height = 1 - (i + 0.5) / half;  // of the upper half of a sphere
    const double around = golden * i, wide = std::sqrt(1 - height * height);
    points.row(2 * i) << radius * wide * std::cos(around), radius * wide * std::sin(around), radius * height;
    points.row(2 * i + 1) = -points.row(2 * i);
  }
  return points;
}

/// Offsets in mm of the samples around a vertex.
class Offsets {
 public:
  Offsets(const SurfaceMesh& mesh, const SurfaceSampleOptions& options) : mesh_(mesh), options_(options) {
    const int count = options.samples.value_or(options.kind == SurfaceSampling::ball ? 20 : 10);
    switch (options.kind) {
      case SurfaceSampling::line:
        normals_ = vertex_normals(mesh);
        steps_ = options.depths.empty() ? spread(count, 1, -1) : options.depths;
        for (double& step : steps_) step *= options.depths.empty() ? options.radius_mm : -options.radius_mm;
        break;
      case SurfaceSampling::ball:
        ball_ = options.radius_mm * ball_points(count);
        break;
      case SurfaceSampling::depth:
        steps_ = options.depths.empty() ? spread(count, 0, 1) : options.depths;
        break;
    }
  }

  /// (samples, 3)
  Points at(Eigen::Index vertex) const {
    if (options_.kind == SurfaceSampling::ball) return ball_;
    const Eigen::RowVector3d way =
        options_.kind == SurfaceSampling::line
            ? Eigen::RowVector3d(normals_.row(vertex))
            : Eigen::RowVector3d(options_.inner->points_mm.row(vertex) - mesh_.points_mm.row(vertex));
    return Eigen::Map<const Eigen::VectorXd>(steps_.data(), static_cast<Eigen::Index>(steps_.size())) * way;
  }

 private:
  const SurfaceMesh& mesh_;
  const SurfaceSampleOptions& options_;
  Points normals_;
  std::vector<double> steps_;
  Points ball_;
};

/// One volume, looked up at places between its voxels.
class Sampler {
 public:
  Sampler(const Grid& grid, std::span<const float> volume, const std::vector<std::uint8_t>& inside)
      : grid_(grid), volume_(volume), inside_(inside) {
    if (static_cast<std::int64_t>(volume.size()) != grid.voxel_count()) {
      throw ShapeError(fmt::format("surface sampling: {} values of {}", volume.size(), describe(grid)));
    }
  }

  bool is_outside(const Eigen::Vector3d& at) const {
    std::array<std::int64_t, 3> voxel{};
    for (int axis = 0; axis < 3; ++axis) {
      const auto a = static_cast<std::size_t>(axis);
      if (!(at[axis] >= 0 && at[axis] < static_cast<double>(grid_.shape[a]))) return true;
      voxel[a] = static_cast<std::int64_t>(std::floor(at[axis]));
    }
    return !inside_.empty() && !inside_[index(voxel[0], voxel[1], voxel[2])];
  }

  /// Beyond the last voxel's centre the last two are extrapolated.
  double linear(const Eigen::Vector3d& at) const {
    std::array<std::int64_t, 3> low{}, step{};
    std::array<double, 3> share{};
    for (std::size_t a = 0; a < 3; ++a) {
      const double x = at[static_cast<Eigen::Index>(a)];
      low[a] = std::clamp<std::int64_t>(static_cast<std::int64_t>(std::floor(x)), 0,
                                        std::max<std::int64_t>(grid_.shape[a] - 2, 0));
      step[a] = grid_.shape[a] > 1 ? 1 : 0;
      share[a] = grid_.shape[a] > 1 ? x - static_cast<double>(low[a]) : 0;
    }
    double sum = 0;
    for (int corner = 0; corner < 8; ++corner) {
      double weight = 1;
      std::array<std::int64_t, 3> voxel = low;
      for (std::size_t a = 0; a < 3; ++a) {
        const bool high = (corner >> a & 1) != 0;
        weight *= high ? share[a] : 1 - share[a];
        if (high) voxel[a] += step[a];
      }
      sum += weight * static_cast<double>(volume_[index(voxel[0], voxel[1], voxel[2])]);
    }
    return sum;
  }

  double at_voxel(const Eigen::Vector3d& rounded) const {
    return static_cast<double>(
        volume_[index(static_cast<std::int64_t>(rounded[0]), static_cast<std::int64_t>(rounded[1]),
                      static_cast<std::int64_t>(rounded[2]))]);
  }

 private:
  std::size_t index(std::int64_t i, std::int64_t j, std::int64_t k) const {
    return static_cast<std::size_t>(grid_.linear_index(i, j, k));
  }
  const Grid& grid_;
  std::span<const float> volume_;
  const std::vector<std::uint8_t>& inside_;
};

double mean_of(const Sampler& sampler, std::span<const Eigen::Vector3d> places) {
  double sum = 0, count = 0;
  for (const Eigen::Vector3d& at : places) {
    if (sampler.is_outside(at)) continue;
    const double value = sampler.linear(at);
    if (std::isnan(value)) continue;
    sum += value;
    count += 1;
  }
  return count > 0 ? sum / count : std::numeric_limits<double>::quiet_NaN();
}

double most_frequent_of(const Sampler& sampler, std::span<const Eigen::Vector3d> places) {
  std::vector<double> values;
  for (const Eigen::Vector3d& at : places) {
    const Eigen::Vector3d nearest(std::nearbyint(at[0]), std::nearbyint(at[1]), std::nearbyint(at[2]));
    if (sampler.is_outside(nearest)) continue;
    if (const double value = sampler.at_voxel(nearest); !std::isnan(value)) values.push_back(value);
  }
  std::sort(values.begin(), values.end());
  double best = std::numeric_limits<double>::quiet_NaN();
  std::ptrdiff_t most = 0;
  for (auto begin = values.begin(); begin != values.end();) {
    const auto end = std::upper_bound(begin, values.end(), *begin);
    if (end - begin > most) {
      most = end - begin;
      best = *begin;
    }
    begin = end;
  }
  return best;
}

}  // namespace

void SurfaceSampleOptions::validate(const SurfaceMesh& mesh) const {
  if (samples && *samples < 1) {
    throw UsageError(fmt::format("surface sampling: found {} samples, expected at least 1", *samples));
  }
  if (!(radius_mm >= 0) || !std::isfinite(radius_mm)) {
    throw UsageError(fmt::format("surface sampling: found a radius of {} mm, expected at least 0", radius_mm));
  }
  if (samples && !depths.empty()) {
    throw UsageError(
        "surface sampling: depths (--surface-depths) say how many samples there are, so that no number of them "
        "(--surface-samples) goes with them; leave one of the two out");
  }
  if (kind == SurfaceSampling::ball && !depths.empty()) {
    throw UsageError("surface sampling: depths are for lines and between meshes, not for balls");
  }
  if (kind != SurfaceSampling::depth) return;
  if (inner == nullptr) throw UsageError("surface sampling: sampling by depth needs an inner mesh");
  if (inner->vertices() != mesh.vertices()) {
    throw ShapeError(
        fmt::format("surface sampling: the inner mesh has {} vertices, the outer {}; take two meshes of "
                    "the same subject and resolution",
                    inner->vertices(), mesh.vertices()));
  }
}

SurfaceSampler::SurfaceSampler(const Grid& grid, const SurfaceMesh& mesh, const SurfaceSampleOptions& options)
    : grid_(grid), labels_(options.labels), vertices_(mesh.vertices()) {
  options.validate(mesh);
  if (options.mask != nullptr && !same_grid(grid, options.mask->grid)) {
    throw ShapeError(
        fmt::format("surface sampling: the mask has {}, the volume {}", describe(options.mask->grid), describe(grid)));
  }
  if (options.mask != nullptr) {
    inside_.assign(static_cast<std::size_t>(grid.voxel_count()), 0);
    for (const std::int64_t voxel : options.mask->voxels) inside_[static_cast<std::size_t>(voxel)] = 1;
  }
  const Offsets offsets(mesh, options);
  const Eigen::Matrix4d voxel_from_ras = grid.ras_from_voxel.inverse();
  for (Eigen::Index v = 0; v < vertices_; ++v) {
    const Points around = offsets.at(v);
    for (Eigen::Index s = 0; s < around.rows(); ++s) {
      const Eigen::Vector3d ras = (mesh.points_mm.row(v) + around.row(s)).transpose();
      places_.emplace_back((voxel_from_ras * ras.homogeneous()).head<3>());
    }
  }
}

std::vector<double> SurfaceSampler::apply(std::span<const float> volume) const {
  const Sampler sampler(grid_, volume, inside_);
  std::vector<double> result(static_cast<std::size_t>(vertices_));
  const std::size_t samples = result.empty() ? 0 : places_.size() / result.size();
  parallel_for(vertices_, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (auto v = static_cast<std::size_t>(begin); v < static_cast<std::size_t>(end); ++v) {
      const auto around = std::span(places_).subspan(v * samples, samples);
      result[v] = labels_ ? most_frequent_of(sampler, around) : mean_of(sampler, around);
    }
  });
  return result;
}

std::vector<double> sample_volume(const Grid& grid, std::span<const float> volume, const SurfaceMesh& mesh,
                                  const SurfaceSampleOptions& options) {
  return SurfaceSampler(grid, mesh, options).apply(volume);
}

}  // namespace noema
