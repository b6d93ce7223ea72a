// Spins, spectral surrogates, random parcels and phases.
#include "noema/connectomics/null_models.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/diag.h>
#include <ATen/ops/diag_embed.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/fft_irfft.h>
#include <ATen/ops/fft_rfft.h>
#include <ATen/ops/linalg_det.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/polar.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/triu_indices.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "noema/connectomics/initialisers.h"
#include "noema/connectomics/shapes.h"
#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/random.h"

namespace noema {
namespace {

void require_count(std::int64_t count) {
  if (count < 1)
    throw UsageError(fmt::format("null models: found {} surrogates to draw, expected at least one", count));
}

/// The map as (V) float64, and the pairs' matrix checked against it.
at::Tensor checked_map(const at::Tensor& map, const at::Tensor& pairs, std::string_view name) {
  require_dimensions(map, "map", 1, "(V)");
  require_square(pairs, name);
  if (map.dim() != 1) throw ShapeError(fmt::format("map: found shape {}, expected (V)", shape_text(map.sizes())));
  require_size(pairs, name, -1, map.size(0));
  return map.detach().to(at::kCPU, at::kDouble);
}

at::Tensor random_order(std::int64_t size, RandomStream& random) {
  const std::vector<std::int64_t> order = random.permutation(size);
  return at::tensor(order, at::kLong);
}

}  // namespace

at::Tensor random_rotations(std::int64_t count, std::uint64_t seed) {
  require_count(count);
  // The Q of a normal matrix, with a positive diagonal of R, is uniform over orthogonal matrices; a column is turned
  // round where it would mirror.
  const auto [q, r] = at::linalg_qr(normal_numbers({count, 3, 3}, seed, "rotations"));
  const at::Tensor uniform = q * r.diagonal(0, -2, -1).sign().unsqueeze(-2);
  at::Tensor turn = at::ones({count, 3}, at::kDouble);
  turn.select(1, 2).copy_(at::linalg_det(uniform).sign());
  return uniform * turn.unsqueeze(-2);
}

at::Tensor spin_indices(const at::Tensor& sphere, std::int64_t count, std::uint64_t seed, bool mirrored) {
  require_dimensions(sphere, "sphere", 2, "(V, 3)");
  require_size(sphere, "sphere", -1, 3);
  if (sphere.dim() != 2 || sphere.size(0) == 0) {
    throw ShapeError(fmt::format("sphere: found shape {}, expected (V, 3) with V ≥ 1", shape_text(sphere.sizes())));
  }
  const at::Tensor points = sphere.detach().to(at::kCPU, at::kDouble);
  const at::Tensor unit = points / points.norm(2, {1}, true);
  at::Tensor rotations = random_rotations(count, seed);
  if (mirrored) {
    const at::Tensor mirror = at::diag(at::tensor({-1.0, 1.0, 1.0}, at::kDouble));
    rotations = mirror.matmul(rotations).matmul(mirror);
  }
  constexpr std::int64_t block = 2048;
  std::vector<at::Tensor> spins;
  for (std::int64_t i = 0; i < count; ++i) {
    check_cancelled();
    const at::Tensor turned = unit.matmul(rotations[i].t());
    std::vector<at::Tensor> nearest;
    for (std::int64_t begin = 0; begin < unit.size(0); begin += block) {
      const std::int64_t end = std::min(begin + block, unit.size(0));
      nearest.push_back(unit.slice(0, begin, end).matmul(turned.t()).argmax(1));
    }
    spins.push_back(at::cat(nearest));
  }
  return at::stack(spins);
}

at::Tensor moran_surrogates(const at::Tensor& map, const at::Tensor& weights, std::int64_t count, std::uint64_t seed) {
  require_count(count);
  const at::Tensor x = checked_map(map, weights, "spatial weights");
  const std::int64_t points = x.size(0);
  at::Tensor w = symmetrised(weights.detach().to(at::kCPU, at::kDouble)).clone();
  w.fill_diagonal_(0);
  const at::Tensor centred = w - w.mean(0, true) - w.mean(1, true) + w.mean();
  // One eigenvector is the constant; the others carry the map, and any signs of theirs keep Moran's I.
  const at::Tensor vectors = std::get<1>(at::linalg_eigh(centred));
  const at::Tensor mean = x.mean();
  const at::Tensor parts = vectors.t().matmul(x - mean);
  RandomStream random(seed, "moran");
  at::Tensor signs = at::empty({count, points}, at::kDouble);
  double* values = signs.mutable_data_ptr<double>();
  for (std::int64_t i = 0; i < signs.numel(); ++i) values[i] = random.below(2) == 0 ? -1 : 1;
  return mean + (signs * parts).matmul(vectors.t());
}

at::Tensor morans_i(const at::Tensor& maps, const at::Tensor& weights) {
  require_dimensions(maps, "maps", 1, "(…, V)");
  require_square(weights, "spatial weights");
  require_size(weights, "spatial weights", -1, maps.size(-1));
  const at::Tensor w = weights - at::diag_embed(weights.diagonal(0, -2, -1));
  const at::Tensor centred = maps - maps.mean(-1, true);
  const at::Tensor together = (centred.matmul(w) * centred).sum(-1);
  return static_cast<double>(maps.size(-1)) / w.sum() * together / centred.square().sum(-1);
}

at::Tensor random_parcels(const at::Tensor& coordinates, std::int64_t parcels, std::uint64_t seed, Geometry geometry) {
  require_dimensions(coordinates, "coordinates", 2, "(V, D)");
  if (parcels < 1 || parcels > coordinates.size(0)) {
    throw UsageError(fmt::format("random parcels: found {} parcels of {} points, expected 1 to {}", parcels,
                                 coordinates.size(0), coordinates.size(0)));
  }
  RandomStream random(seed, "random parcels");
  const at::Tensor chosen = random_order(coordinates.size(0), random).slice(0, 0, parcels);
  const at::Tensor seeds = coordinates.detach().index_select(0, chosen.to(coordinates.device()));
  return distance_matrix(coordinates.detach(), seeds, geometry).argmin(1);
}

at::Tensor phase_surrogate(const at::Tensor& series, std::uint64_t seed) {
  require_dimensions(series, "series", 2, "(F, T)");
  const std::int64_t frames = series.size(-1);
  if (frames == 0) throw ShapeError("series: found no frames, expected (F, T) with T ≥ 1");
  const at::Tensor spectrum = at::fft_rfft(series);
  at::Tensor angle = 2 * std::numbers::pi * uniform_numbers({spectrum.size(-1)}, seed, "phases");
  angle[0] = 0;
  if (frames % 2 == 0) angle[spectrum.size(-1) - 1] = 0;
  const at::Tensor turn = at::polar(at::ones_like(angle), angle).to(spectrum.options());
  return at::fft_irfft(spectrum * turn, frames);
}

at::Tensor matched_surrogate(const at::Tensor& amplitudes, const at::Tensor& covariance, std::int64_t frames,
                             std::uint64_t seed) {
  require_dimensions(amplitudes, "amplitudes", 1, "(R)");
  require_square(covariance, "covariance");
  require_size(amplitudes, "amplitudes", 0, frames / 2 + 1);
  const std::int64_t count = covariance.size(-1);
  const at::Tensor a = amplitudes.detach().to(at::kCPU, at::kDouble).clone();
  if (amplitudes.dim() != 1 || covariance.dim() != 2 || frames <= count || !(a >= 0).all().item<bool>()) {
    throw UsageError(
        fmt::format("matched surrogate: found amplitudes {}, covariance {} and {} frames, expected (R) ≥ 0, (F, F) and "
                    "more frames than series",
                    shape_text(amplitudes.sizes()), shape_text(covariance.sizes()), frames));
  }
  a[0] = 0;
  at::Tensor angle = 2 * std::numbers::pi * uniform_numbers({count, a.size(0)}, seed, "matched phases");
  // That of the highest frequency of an even number of frames is a sign.
  if (frames % 2 == 0)
    angle.select(1, -1).copy_((angle.select(1, -1) > std::numbers::pi).to(at::kDouble) * std::numbers::pi);
  const at::Tensor series = at::fft_irfft(at::polar(a.expand_as(angle).contiguous(), angle), frames);
  const at::Tensor own = series.matmul(series.t()) / static_cast<double>(frames - 1);
  const auto [have, from] = at::linalg_eigh(own);
  const auto [want, to] = at::linalg_eigh(symmetrised(covariance.detach().to(at::kCPU, at::kDouble)));
  const double least = have[0].item<double>(), most = have[count - 1].item<double>();
  if (!(least > 1e-12 * most) || want[0].item<double>() < -1e-12 * want[count - 1].item<double>()) {
    throw NumericalError(fmt::format(
        "matched surrogate: found eigenvalues from {} to {} of random series and from {} of the covariance, "
        "expected them above 0 and from 0 on; give more frequencies amplitude",
        least, most, want[0].item<double>()));
  }
  const at::Tensor whitened = (from * have.rsqrt()).matmul(from.t().matmul(series));
  return (to * want.clamp_min(0).sqrt()).matmul(to.t().matmul(whitened));
}

double surrogate_p_value(double observed, const at::Tensor& nulls) {
  if (!nulls.defined() || nulls.numel() == 0) throw ShapeError("nulls: found none, expected at least one");
  const auto above = (nulls.abs() >= std::abs(observed)).sum().item<std::int64_t>();
  return static_cast<double>(1 + above) / static_cast<double>(1 + nulls.numel());
}

}  // namespace noema
