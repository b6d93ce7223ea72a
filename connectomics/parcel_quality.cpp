// All measures from sums of unit series over parcels, or in blocks of rows.
#include "noema/connectomics/parcel_quality.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_unique.h>
#include <ATen/ops/bincount.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "noema/connectomics/shapes.h"
#include "noema/connectomics/unit_series.h"
#include "noema/core/cancel.h"
#include "noema/core/error.h"

namespace noema {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// Sums over the entries of each parcel.
at::Tensor total_of(const SparseWeights& parcels, const at::Tensor& each) {
  return at::zeros({parcels.parcels}, each.options().requires_grad(false)).index_add(0, parcels.parcel, each);
}

/// Sums over a parcel's series.
struct Moments {
  at::Tensor square;           // ‖Σ w z‖²
  at::Tensor own;              // Σ w² ‖z‖²
  at::Tensor weight, weight2;  // Σ w, Σ w²
};

Moments moments_of(const at::Tensor& series, const SparseWeights& parcels) {
  require_dimensions(series, "series", 2, "(V, T)");
  const at::Tensor z = unit_series(series);
  const at::Tensor sums = extract_parcels(z, parcels, ParcelScale::sum);
  const at::Tensor w = parcels.weight.to(series.scalar_type()), w2 = w * w;
  const at::Tensor own = (z * z).sum(-1).index_select(0, parcels.voxel);
  return {(sums * sums).sum(-1), total_of(parcels, w2 * own), total_of(parcels, w), total_of(parcels, w2)};
}

/// ‖Σ w z‖² / (Σ w)².
at::Tensor explained_of(const at::Tensor& sums, const at::Tensor& weight) {
  const at::Tensor empty = weight == 0;
  const at::Tensor value = (sums * sums).sum(-1) / at::where(empty, at::ones_like(weight), weight).square();
  return at::where(empty, at::full_like(value, kNan), value);
}

at::Tensor counts_of(const SparseWeights& parcels, const at::TensorOptions& options) {
  return at::bincount(parcels.parcel, {}, parcels.parcels).to(options);
}

}  // namespace

at::Tensor parcel_homogeneity(const at::Tensor& series, const SparseWeights& weights) {
  const Moments m = moments_of(series, weights);
  const at::Tensor pairs = m.weight * m.weight - m.weight2;
  const at::Tensor none = pairs <= 1e-12 * m.weight2;
  const at::Tensor value = (m.square - m.own) / at::where(none, at::ones_like(pairs), pairs);
  return at::where(none, at::full_like(value, kNan), value);
}
at::Tensor parcel_variance_explained(const at::Tensor& series, const at::Tensor& weights) {
  require_dimensions(series, "series", 2, "(V, T)");
  return explained_of(extract_parcels(unit_series(series), weights, ParcelScale::sum), weights.sum(-1));
}

at::Tensor parcel_variance_explained(const at::Tensor& series, const SparseWeights& weights) {
  require_dimensions(series, "series", 2, "(V, T)");
  const at::Tensor w = weights.weight.to(series.scalar_type());
  return explained_of(extract_parcels(unit_series(series), weights, ParcelScale::sum), total_of(weights, w));
}

at::Tensor mean_over_series(const at::Tensor& values, const SparseWeights& parcels) {
  require_dimensions(values, "values of parcels", 1, "(P)");
  require_size(values, "values of parcels", 0, parcels.parcels);
  const at::Tensor counts = counts_of(parcels, values.options().requires_grad(false));
  const at::Tensor known = values.isnan().logical_not();
  const at::Tensor used = at::where(known, counts, at::zeros_like(counts));
  return (at::where(known, values, at::zeros_like(values)) * used).sum() / used.sum();
}

at::Tensor silhouette(const at::Tensor& series, const SparseWeights& parcels) {
  require_dimensions(series, "series", 2, "(V, T)");
  require_size(series, "series", 0, parcels.voxels);
  const at::Tensor counts = counts_of(parcels, series.options().requires_grad(false));
  if ((counts > 0).sum().item<std::int64_t>() < 2) {
    throw DataError("silhouette: found fewer than two parcels that are not empty, expected two or more");
  }
  SparseWeights hard = parcels;
  hard.weight = at::ones_like(parcels.weight.detach());
  const at::Tensor z = unit_series(series.detach());
  const at::Tensor sums = extract_parcels(z, hard, ParcelScale::sum);
  const at::Tensor mine = z.index_select(0, parcels.voxel);
  const at::Tensor total = mine.matmul(sums.t());  // (N, P): sums of correlations
  const at::Tensor home = parcels.parcel.unsqueeze(1);
  const at::Tensor others = counts.index_select(0, parcels.parcel) - 1;
  const at::Tensor within = total.gather(1, home).squeeze(1) - (mine * mine).sum(1);
  const at::Tensor alone = others == 0;
  const at::Tensor a = 1 - within / at::where(alone, at::ones_like(others), others);
  const double infinity = std::numeric_limits<double>::infinity();
  at::Tensor distance = 1 - total / counts.clamp_min(1);
  distance = distance.masked_fill((counts == 0).unsqueeze(0), infinity).scatter(1, home, infinity);
  const at::Tensor b = distance.amin(1);
  const at::Tensor larger = at::maximum(a, b);
  return at::where(alone.logical_or(larger == 0), at::zeros_like(a), (b - a) / larger);
}

Dcbc dcbc(const at::Tensor& series, const SparseWeights& parcels, const at::Tensor& coordinates,
          const DcbcOptions& options) {
  require_dimensions(series, "series", 2, "(V, T)");
  require_size(series, "series", 0, parcels.voxels);
  require_dimensions(coordinates, "coordinates", 2, "(V, D)");
  require_size(coordinates, "coordinates", 0, parcels.voxels);
  if (!(options.bin_width > 0) || !(options.largest_distance >= options.bin_width)) {
    throw UsageError("DCBC: expected a bin width above 0 and a largest distance of at least one bin");
  }
  const auto bins = static_cast<std::int64_t>(std::floor(options.largest_distance / options.bin_width + 1e-9));
  const at::Tensor z = unit_series(series.detach().to(at::kDouble)).index_select(0, parcels.voxel);
  const at::Tensor points = coordinates.detach().to(at::kDouble).index_select(0, parcels.voxel);
  const std::int64_t count = z.size(0), block = 256;
  at::Tensor sums = at::zeros({2 * bins}, z.options()), pairs = at::zeros_like(sums);
  for (std::int64_t begin = 0; begin < count; begin += block) {
    check_cancelled();
    const std::int64_t end = std::min(begin + block, count);
    const at::Tensor distance = distance_matrix(points.slice(0, begin, end), points.slice(0, begin), options.geometry);
    const at::Tensor bin = (distance / options.bin_width - 1e-9).ceil().to(at::kLong) - 1;
    const at::Tensor later = at::ones_like(bin, at::kBool).triu(1);
    const at::Tensor used = later.logical_and(bin >= 0).logical_and(bin < bins);
    const at::Tensor apart = parcels.parcel.slice(0, begin, end).unsqueeze(1) != parcels.parcel.slice(0, begin);
    const at::Tensor place = (bin + apart.to(at::kLong) * bins).masked_select(used);
    sums.index_add_(0, place, z.slice(0, begin, end).matmul(z.slice(0, begin).t()).masked_select(used));
    pairs.index_add_(0, place, at::ones_like(place, at::kDouble));
  }
  const at::Tensor means = (sums / pairs).to(at::kCPU);
  const at::Tensor counted = pairs.to(at::kCPU);
  Dcbc result{0, means.slice(0, 0, bins), means.slice(0, bins), counted.slice(0, 0, bins), counted.slice(0, bins)};
  const at::Tensor both = (result.pairs_within > 0).logical_and(result.pairs_between > 0);
  if (!both.any().item<bool>()) {
    throw DataError("DCBC: found no bin of distance with pairs inside and pairs across parcels; use wider bins");
  }
  const at::Tensor weight =
      (result.pairs_within * result.pairs_between / (result.pairs_within + result.pairs_between)).masked_select(both);
  const at::Tensor gain = (result.within - result.between).masked_select(both);
  result.value = ((weight * gain).sum() / weight.sum()).item<double>();
  return result;
}

double adjusted_rand_index(const at::Tensor& a, const at::Tensor& b) {
  if (!a.defined() || !b.defined() || a.dim() != 1 || a.sizes() != b.sizes() || a.numel() == 0) {
    throw ShapeError("labels to compare: expected two labellings (V) of the same length, V ≥ 1");
  }
  const auto index = [](const at::Tensor& labels) { return std::get<1>(at::_unique(labels, true, true)); };
  const at::Tensor first = index(a), second = index(b);
  const std::int64_t columns = second.max().item<std::int64_t>() + 1;
  const std::int64_t rows = first.max().item<std::int64_t>() + 1;
  const at::Tensor table =
      at::bincount(first * columns + second, {}, rows * columns).reshape({rows, columns}).to(at::kDouble);
  const auto choose = [](const at::Tensor& n) { return (n * (n - 1) / 2).sum().item<double>(); };
  const double together = choose(table), in_a = choose(table.sum(1)), in_b = choose(table.sum(0));
  const auto n = static_cast<double>(a.numel());
  const double all = n * (n - 1) / 2;
  const double expected = all > 0 ? in_a * in_b / all : 0, most = (in_a + in_b) / 2;
  return most == expected ? 1 : (together - expected) / (most - expected);
}

at::Tensor dice_overlap(const at::Tensor& a, const at::Tensor& b) {
  require_dimensions(a, "parcels", 2, "(…, P, V)");
  if (a.sizes() != b.sizes()) {
    throw ShapeError(fmt::format("parcels: found shapes {} and {}, expected equal ones", shape_text(a.sizes()),
                                 shape_text(b.sizes())));
  }
  const at::Tensor total = (a + b).sum(-1);
  const at::Tensor empty = total == 0;
  const at::Tensor value = 2 * at::minimum(a, b).sum(-1) / at::where(empty, at::ones_like(total), total);
  return at::where(empty, at::full_like(value, kNan), value);
}

}  // namespace noema
