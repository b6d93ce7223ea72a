// Variograms by blocks of pairs; surrogates all at once for each neighbourhood.
#include "noema/connectomics/variogram.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/triu_indices.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "noema/connectomics/initialisers.h"
#include "noema/connectomics/shapes.h"
#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/random.h"

namespace noema {
namespace {

at::Tensor checked_distances(const at::Tensor& distances, std::int64_t points) {
  require_square(distances, "distances");
  require_size(distances, "distances", -1, points);
  if (distances.dim() != 2 || points < 3) {
    throw ShapeError(fmt::format("distances: found shape {}, expected (V, V) of V points, three or more",
                                 shape_text(distances.sizes())));
  }
  const at::Tensor d = distances.detach().to(at::kCPU, at::kDouble);
  if (!d.isfinite().all().item<bool>()) {
    throw DataError("distances: found some that are not finite, expected points that reach each other");
  }
  return d;
}

at::Tensor checked_maps(const at::Tensor& maps) {
  const at::Tensor x = maps.detach().to(at::kCPU, at::kDouble);
  if (!x.isfinite().all().item<bool>()) throw DataError("maps: found values that are not finite, expected none");
  return x;
}

/// The pairs of points near enough, and at which distances a variogram is taken.
struct Pairs {
  at::Tensor first, second, distance;  // (M)
  at::Tensor at;                       // (H)
};

Pairs near_pairs(const at::Tensor& distances, const VariogramOptions& options) {
  const at::Tensor all = at::triu_indices(distances.size(0), distances.size(0), 1);
  const at::Tensor apart = distances.flatten().index_select(0, all[0] * distances.size(0) + all[1]);
  const auto last = static_cast<std::int64_t>(std::ceil(options.reach * static_cast<double>(apart.numel()))) - 1;
  const at::Tensor reach = std::get<0>(apart.sort())[std::max<std::int64_t>(last, 0)];
  const at::Tensor near = (apart <= reach).nonzero().squeeze(1);
  const double least = apart.min().item<double>(), most = reach.item<double>();
  if (!(most > least)) {
    throw DataError(
        fmt::format("distances: found {} to {} within the reach of the variogram, expected a spread", least, most));
  }
  return {all[0].index_select(0, near), all[1].index_select(0, near), apart.index_select(0, near),
          at::linspace(least, most, options.distances, at::kDouble)};
}

/// (n, V) → (n, H).
at::Tensor variograms(const at::Tensor& maps, const Pairs& pairs) {
  constexpr std::int64_t block = 4096;
  const double sigma = 3 / 2.68 * (pairs.at[1] - pairs.at[0]).item<double>();
  const at::Tensor columns = maps.t().contiguous();  // (V, n)
  at::Tensor sum = at::zeros({pairs.at.size(0), maps.size(0)}, at::kDouble);
  at::Tensor total = at::zeros({pairs.at.size(0), 1}, at::kDouble);
  for (std::int64_t begin = 0; begin < pairs.distance.size(0); begin += block) {
    check_cancelled();
    const std::int64_t end = std::min(begin + block, pairs.distance.size(0));
    const at::Tensor off = (pairs.at.unsqueeze(1) - pairs.distance.slice(0, begin, end)) / sigma;
    const at::Tensor weight = at::exp(-0.5 * off * off);
    const at::Tensor change = columns.index_select(0, pairs.first.slice(0, begin, end)) -
                              columns.index_select(0, pairs.second.slice(0, begin, end));
    sum += weight.matmul(0.5 * change * change);
    total += weight.sum(1, true);
  }
  return (sum / total).t();
}

/// (V, V): means over the `part` of all points nearest to each, itself apart, with weights exp(−d/d_max).
at::Tensor smoother(const at::Tensor& distances, const at::Tensor& order, double part) {
  const std::int64_t points = distances.size(0);
  const auto count =
      std::clamp<std::int64_t>(static_cast<std::int64_t>(part * static_cast<double>(points)), 1, points - 1);
  const at::Tensor nearest = order.slice(1, 0, count), apart = distances.gather(1, nearest);
  const at::Tensor furthest = std::get<0>(apart.max(1, true));
  const at::Tensor weight = at::exp(-apart / at::where(furthest > 0, furthest, 1.0));
  return at::zeros_like(distances).scatter_(1, nearest, weight / weight.sum(1, true));
}

/// The fit of target (H) by α + β·x, α and β ≥ 0, for each row of x (n, H).
struct Fit {
  at::Tensor alpha, beta, error;  // (n)
};

Fit fitted(const at::Tensor& x, const at::Tensor& target) {
  const at::Tensor mean = x.mean(1, true), centred = x - mean;
  const at::Tensor spread = centred.square().sum(1), level = target.mean();
  at::Tensor beta = (centred * target).sum(1) / at::where(spread > 0, spread, 1.0);
  at::Tensor alpha = level - beta * mean.squeeze(1);
  const at::Tensor through_zero = alpha < 0, falling = beta < 0;
  beta = at::where(through_zero, (x * target).sum(1) / x.square().sum(1), beta);
  alpha = at::where(through_zero, 0.0, alpha);
  beta = at::where(falling, 0.0, beta);
  alpha = at::where(falling, level, alpha);
  return {alpha, beta, (target - alpha.unsqueeze(1) - beta.unsqueeze(1) * x).square().sum(1)};
}

/// (n, V): the map's values in random order.
at::Tensor shuffled(const at::Tensor& map, std::int64_t count, std::uint64_t seed) {
  RandomStream random(seed, "variogram");
  std::vector<at::Tensor> rows;
  for (std::int64_t i = 0; i < count; ++i) {
    rows.push_back(map.index_select(0, at::tensor(random.permutation(map.size(0)), at::kLong)));
  }
  return at::stack(rows);
}

}  // namespace

void VariogramOptions::validate() const {
  if (!(reach > 0 && reach <= 1) || distances < 2 || neighbourhoods.empty()) {
    throw UsageError(
        fmt::format("variogram: found reach {}, {} distances and {} neighbourhoods, expected a reach above 0 to 1, "
                    "two distances or more and a neighbourhood or more",
                    reach, distances, neighbourhoods.size()));
  }
  for (const double part : neighbourhoods) {
    if (!(part > 0 && part <= 1)) {
      throw UsageError(fmt::format("variogram: found a neighbourhood of {}, expected a part above 0 to 1", part));
    }
  }
}

at::Tensor variogram(const at::Tensor& maps, const at::Tensor& distances, const VariogramOptions& options) {
  options.validate();
  require_dimensions(maps, "maps", 2, "(n, V)");
  if (maps.dim() != 2) throw ShapeError(fmt::format("maps: found shape {}, expected (n, V)", shape_text(maps.sizes())));
  const at::Tensor d = checked_distances(distances, maps.size(1));
  return variograms(checked_maps(maps), near_pairs(d, options));
}

at::Tensor variogram_surrogates(const at::Tensor& map, const at::Tensor& distances, std::int64_t count,
                                std::uint64_t seed, const VariogramOptions& options) {
  options.validate();
  if (count < 1) throw UsageError(fmt::format("variogram: found {} surrogates to draw, expected at least one", count));
  require_dimensions(map, "map", 1, "(V)");
  if (map.dim() != 1) throw ShapeError(fmt::format("map: found shape {}, expected (V)", shape_text(map.sizes())));
  const at::Tensor d = checked_distances(distances, map.size(0));
  const at::Tensor x = checked_maps(map);
  if (!(x.max() > x.min()).item<bool>()) throw DataError("map: found equal values, expected some that differ");
  const Pairs pairs = near_pairs(d, options);
  const at::Tensor target = variograms(x.unsqueeze(0), pairs)[0];
  const at::Tensor order = d.clone().fill_diagonal_(-1).argsort(/*stable=*/true, 1).slice(1, 1);
  const at::Tensor permuted = shuffled(x, count, seed);
  const at::Tensor noise = normal_numbers({count, x.size(0)}, seed, "variogram noise");
  at::Tensor best = at::full({count, 1}, std::numeric_limits<double>::infinity(), at::kDouble);
  at::Tensor surrogates = at::zeros_like(permuted);
  for (const double part : options.neighbourhoods) {
    const at::Tensor smooth = permuted.matmul(smoother(d, order, part).t());
    const Fit fit = fitted(variograms(smooth, pairs), target);
    const at::Tensor better = fit.error.unsqueeze(1) < best;
    best = at::where(better, fit.error.unsqueeze(1), best);
    surrogates =
        at::where(better, fit.beta.sqrt().unsqueeze(1) * smooth + fit.alpha.sqrt().unsqueeze(1) * noise, surrogates);
  }
  if (!options.keep_values) return surrogates - surrogates.mean(1, true);
  const at::Tensor sorted = std::get<0>(x.sort()).expand_as(surrogates);
  return at::zeros_like(surrogates).scatter_(1, surrogates.argsort(/*stable=*/true, 1), sorted);
}

}  // namespace noema
