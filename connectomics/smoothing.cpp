// Neighbours by a hash of cells; smoothing as normalised sparse or separable products.
#include "noema/connectomics/smoothing.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <numbers>
#include <unordered_map>
#include <vector>

#include "noema/connectomics/shapes.h"
#include "noema/core/error.h"

namespace noema {
namespace {

using Cell = std::array<std::int32_t, 3>;

struct CellHash {
  std::size_t operator()(const Cell& cell) const {
    std::uint64_t hash = 0;
    for (const std::int32_t value : cell) hash = (hash ^ static_cast<std::uint32_t>(value)) * 0x9E3779B97F4A7C15ull;
    return hash ^ (hash >> 29);
  }
};

at::Tensor copy_of(const std::vector<std::int64_t>& values) {
  at::Tensor copy = at::empty({static_cast<std::int64_t>(values.size())}, at::kLong);
  if (!values.empty()) {
    std::memcpy(copy.mutable_data_ptr<std::int64_t>(), values.data(), values.size() * sizeof(std::int64_t));
  }
  return copy;
}

/// (n, n): weights of a Gaussian, zero beyond 4σ.
at::Tensor axis_kernel(std::int64_t n, const at::Tensor& sigma, const at::TensorOptions& options) {
  const at::Tensor index = at::arange(n, options);
  const at::Tensor distance = (index.unsqueeze(1) - index).abs();
  if (sigma.item<double>() == 0) return at::eye(n, options);
  const at::Tensor weights = at::exp(-distance * distance / (2 * sigma * sigma));
  return at::where(distance <= 4 * sigma.detach(), weights, at::zeros_like(weights));
}

/// The longest straight line between points (V, 3) on a sphere about the origin that are within `reach` along it.
/// @throws DataError unless they are on one
double longest_chord(const at::Tensor& points, double reach) {
  const at::Tensor radius = points.norm(2, 1);
  const double least = radius.min().item<double>(), most = radius.max().item<double>();
  if (!(least > 0) || most - least > 1e-3 * most) {
    throw DataError(
        fmt::format("coordinates: found distances from the origin of {:.6g} to {:.6g}, expected a sphere about the "
                    "origin: all alike and above 0",
                    least, most));
  }
  const bool all = reach >= std::numbers::pi * least;
  return (all ? 2 * most : 2 * most * std::sin(reach / (2 * least))) + (most - least);
}

at::Tensor along_axes(at::Tensor volume, const std::array<at::Tensor, 3>& kernels) {
  for (int axis = 0; axis < 3; ++axis) {
    volume = volume.movedim(axis - 3, -1).matmul(kernels[static_cast<std::size_t>(axis)]).movedim(-1, axis - 3);
  }
  return volume;
}

}  // namespace

Neighbours neighbours_within(const at::Tensor& coordinates, double reach, Geometry geometry) {
  require_dimensions(coordinates, "coordinates", 2, "(V, 3)");
  require_size(coordinates, "coordinates", 1, 3);
  if (!(reach > 0)) throw UsageError(fmt::format("neighbours: found reach {}, expected one above 0", reach));
  const at::Tensor points = coordinates.detach().to(at::kCPU, at::kDouble).contiguous();
  if (!points.isfinite().all().item<bool>()) throw DataError("coordinates: found some that are not finite");
  const std::int64_t count = points.size(0);
  const double* x = points.const_data_ptr<double>();
  double chord = geometry == Geometry::spherical && count > 0 ? longest_chord(points, reach) : reach;
  chord *= 1 + 1e-9;
  std::unordered_map<Cell, std::vector<std::int64_t>, CellHash> cells;
  const auto cell_of = [&](std::int64_t v) {
    Cell cell;
    for (std::size_t d = 0; d < 3; ++d)
      cell[d] = static_cast<std::int32_t>(std::floor(x[3 * v + static_cast<std::int64_t>(d)] / chord));
    return cell;
  };
  for (std::int64_t v = 0; v < count; ++v) cells[cell_of(v)].push_back(v);
  std::vector<std::int64_t> row, column;
  for (std::int64_t v = 0; v < count; ++v) {
    const Cell home = cell_of(v);
    for (int step = 0; step < 27; ++step) {
      const Cell cell{home[0] + step % 3 - 1, home[1] + step / 3 % 3 - 1, home[2] + step / 9 - 1};
      const auto found = cells.find(cell);
      if (found == cells.end()) continue;
      for (const std::int64_t u : found->second) {
        const double d = std::hypot(x[3 * v] - x[3 * u], x[3 * v + 1] - x[3 * u + 1], x[3 * v + 2] - x[3 * u + 2]);
        if (d > chord) continue;
        row.push_back(v);
        column.push_back(u);
      }
    }
  }
  const at::Tensor from = copy_of(row), to = copy_of(column);
  const at::Tensor distance = point_distance(points.index_select(0, from), points.index_select(0, to), geometry);
  const at::Tensor near = (distance <= reach * (1 + 1e-9)).nonzero().flatten(), kept = distance.index_select(0, near);
  return {{from.index_select(0, near), to.index_select(0, near), at::ones_like(kept), count, count}, kept};
}

at::Tensor smooth_vertices(const at::Tensor& series, const Neighbours& neighbours, const at::Tensor& sigma) {
  if (!sigma.defined() || sigma.numel() != 1 || !(sigma.item<double>() > 0)) {
    throw UsageError("smoothing: expected sigma to be one number above 0");
  }
  const at::Device device = series.device();
  const at::Tensor distance = neighbours.distance.to(device);
  const at::Tensor width = sigma.reshape({}).to(distance.options());
  SparseWeights weights = neighbours.pairs;
  weights.parcel = weights.parcel.to(device);
  weights.voxel = weights.voxel.to(device);
  weights.weight = at::exp(-distance.square() / (2 * width * width));
  return extract_parcels(series, weights, ParcelScale::mean);
}

at::Tensor smooth_volume(const at::Tensor& volume, const at::Tensor& sigma_voxels, const at::Tensor& mask) {
  require_dimensions(volume, "volume", 3, "(…, X, Y, Z)");
  require_dimensions(sigma_voxels, "sigma in voxels", 1, "(3)");
  require_size(sigma_voxels, "sigma in voxels", 0, 3);
  if (!(sigma_voxels >= 0).all().item<bool>()) throw UsageError("smoothing: expected sigma from 0 on");
  at::Tensor inside =
      at::ones(volume.sizes().slice(static_cast<std::size_t>(volume.dim() - 3)), volume.options().requires_grad(false));
  if (mask.defined()) {
    if (mask.sizes() != inside.sizes()) {
      throw ShapeError(
          fmt::format("mask: found shape {}, expected {}", shape_text(mask.sizes()), shape_text(inside.sizes())));
    }
    inside = mask.to(volume.scalar_type());
  }
  std::array<at::Tensor, 3> kernels;
  for (std::int64_t axis = 0; axis < 3; ++axis) {
    kernels[static_cast<std::size_t>(axis)] =
        axis_kernel(inside.size(axis), sigma_voxels[axis].to(volume.scalar_type()), inside.options());
  }
  const at::Tensor used = inside != 0;
  const at::Tensor known = at::where(used, volume, at::zeros_like(volume));
  const at::Tensor total = along_axes(inside, kernels);
  const at::Tensor smoothed = along_axes(known * inside, kernels) / at::where(used, total, at::ones_like(total));
  return at::where(used, smoothed, at::zeros_like(smoothed));
}

double sigma_of_fwhm(double fwhm) { return fwhm / std::sqrt(8 * std::numbers::ln2); }

}  // namespace noema
