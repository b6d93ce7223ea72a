// Deletion curves: the model is asked again as features vanish.
#include "noema/interpret/faithfulness.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/random.h"

namespace noema {
namespace {

using Order = std::vector<std::int64_t>;

/// Features with an attribution in any window, in ascending order.
Order visible_features(const at::Tensor& over_time) {
  const at::Tensor used = (over_time != 0).any(0).contiguous();
  Order features;
  for (std::int64_t f = 0; f < used.size(0); ++f) {
    if (used.data_ptr<bool>()[f]) features.push_back(f);
  }
  return features;
}

Order most_supporting_first(const Order& features, const float* attribution) {
  Order order = features;
  std::stable_sort(order.begin(), order.end(), [&](auto i, auto j) { return attribution[i] > attribution[j]; });
  return order;
}

Order random_order(const Order& features, std::uint64_t seed, std::uint64_t window, std::uint64_t draw) {
  RandomStream random(seed, "deletion-order", {window, draw});
  const std::vector<std::int64_t> permutation = random.permutation(static_cast<std::int64_t>(features.size()));
  Order order;
  order.reserve(features.size());
  for (const std::int64_t i : permutation) order.push_back(features[static_cast<std::size_t>(i)]);
  return order;
}

std::size_t deleted_at(int point, int points, std::size_t features) {
  return static_cast<std::size_t>(std::llround(static_cast<double>(point) * static_cast<double>(features) / points));
}

/// (points + 1) × B: margins of a batch as each window loses features in its own order.
std::vector<std::vector<double>> curve(const DifferentiableClassifier& model, const Windows& batch,
                                       std::span<const int> targets, const std::vector<Order>& orders, int points) {
  at::Tensor values = batch.values.clone();
  std::vector<std::vector<double>> margins;
  for (int point = 0; point <= points; ++point) {
    check_cancelled();
    for (std::size_t b = 0; point > 0 && b < orders.size(); ++b) {
      const std::size_t from = deleted_at(point - 1, points, orders[b].size());
      const std::size_t to = deleted_at(point, points, orders[b].size());
      if (from == to) continue;
      const Order piece(orders[b].begin() + static_cast<std::ptrdiff_t>(from),
                        orders[b].begin() + static_cast<std::ptrdiff_t>(to));
      values[static_cast<std::int64_t>(b)].index_fill_(1, at::tensor(piece), 0);
    }
    const at::Tensor margin = target_margin(model.logits(values, batch.weights).detach(), targets).contiguous();
    margins.emplace_back(margin.data_ptr<float>(), margin.data_ptr<float>() + margin.size(0));
  }
  return margins;
}

void summarise(DeletionCurves& result) {
  const double n = static_cast<double>(result.gain.size());
  result.mean_gain = std::accumulate(result.gain.begin(), result.gain.end(), 0.0) / n;
  double squares = 0;
  for (const double gain : result.gain) squares += (gain - result.mean_gain) * (gain - result.mean_gain);
  result.standard_error = n > 1 ? std::sqrt(squares / (n - 1) / n) : 0;
}

}  // namespace

DeletionCurves deletion_curves(const DifferentiableClassifier& model, const Windows& windows,
                               std::span<const int> targets, const Attribution& attribution,
                               const DeletionOptions& options) {
  if (options.points < 1 || options.random_orders < 1 || options.batch < 1) {
    throw UsageError("deletion curves need at least one point, random order and window a batch");
  }
  if (attribution.values.sizes() != windows.values.sizes() ||
      static_cast<std::int64_t>(targets.size()) != windows.values.size(0)) {
    throw ShapeError("found attributions or targets of another shape than the windows");
  }
  const at::Tensor over_time = attribution.values.sum(1).contiguous();  // (N, F)
  const Order features = visible_features(over_time);
  if (features.empty()) throw DataError("every attribution is zero: there is no order in which to delete features");
  const std::int64_t count = windows.values.size(0);
  DeletionCurves result;
  result.features = static_cast<std::int64_t>(features.size());
  for (int point = 0; point <= options.points; ++point)
    result.fraction.push_back(static_cast<double>(point) / options.points);
  result.margin.assign(result.fraction.size(), 0);
  result.random.assign(result.fraction.size(), 0);
  result.gain.assign(static_cast<std::size_t>(count), 0);
  const double per_curve = 1.0 / static_cast<double>(count);
  const double per_point = 1.0 / static_cast<double>(options.points);
  for (std::int64_t first = 0; first < count; first += options.batch) {
    const std::int64_t size = std::min<std::int64_t>(options.batch, count - first);
    const Windows batch{windows.values.narrow(0, first, size), windows.weights.narrow(0, first, size)};
    const auto batch_targets = targets.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(size));
    // Draw −1 is the map's own order, the others are random; a gain counts random curves positive, the map's negative.
    for (int draw = -1; draw < options.random_orders; ++draw) {
      std::vector<Order> orders;
      for (std::int64_t b = 0; b < size; ++b) {
        const std::int64_t n = first + b;
        orders.push_back(draw < 0 ? most_supporting_first(features, over_time.data_ptr<float>() + n * over_time.size(1))
                                  : random_order(features, options.seed, static_cast<std::uint64_t>(n),
                                                 static_cast<std::uint64_t>(draw)));
      }
      const auto margins = curve(model, batch, batch_targets, orders, options.points);
      const double share = draw < 0 ? 1.0 : 1.0 / options.random_orders;
      std::vector<double>& mean = draw < 0 ? result.margin : result.random;
      for (std::size_t point = 0; point < margins.size(); ++point) {
        for (std::int64_t b = 0; b < size; ++b) {
          const double margin = margins[point][static_cast<std::size_t>(b)];
          mean[point] += margin * share * per_curve;
          if (point > 0)
            result.gain[static_cast<std::size_t>(first + b)] += (draw < 0 ? -margin : margin) * share * per_point;
        }
      }
    }
  }
  summarise(result);
  return result;
}

}  // namespace noema
