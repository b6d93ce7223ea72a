// Lloyd's algorithm from k-means++ centres.
#include "noema/connectomics/k_means.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>

#include <utility>
#include <vector>

#include "noema/connectomics/shapes.h"
#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/random.h"

namespace noema {
namespace {

/// Centres drawn one after the other, each point with the square of its distance from those before as weight.
at::Tensor first_centres(const at::Tensor& points, std::int64_t clusters, RandomStream& random) {
  const std::int64_t count = points.size(0);
  std::vector<at::Tensor> centres{points[static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(count)))]};
  at::Tensor nearest = (points - centres[0]).square().sum(1);
  while (static_cast<std::int64_t>(centres.size()) < clusters) {
    const at::Tensor reached = nearest.cumsum(0);
    const at::Tensor past = reached >= random.uniform() * reached[-1];
    centres.push_back(points[past.to(at::kLong).argmax().item<std::int64_t>()]);
    nearest = at::minimum(nearest, (points - centres.back()).square().sum(1));
  }
  return at::stack(centres);
}

KMeans k_means_once(const at::Tensor& points, const KMeansOptions& options, int start) {
  RandomStream random(options.seed, "k-means", {static_cast<std::uint64_t>(start)});
  KMeans found;
  found.centres = first_centres(points, options.clusters, random);
  const at::Tensor squares = points.square().sum(1);
  const at::Tensor each = at::ones_like(squares);
  for (int iteration = 0; iteration < options.iterations; ++iteration) {
    check_cancelled();
    const auto [least, labels] =
        (found.centres.square().sum(1) - 2 * points.matmul(found.centres.t())).min(1, /*keepdim=*/false);
    const bool settled = found.labels.defined() && labels.equal(found.labels);
    found.labels = labels;
    found.spread = (least + squares).sum().item<double>();
    if (settled) break;
    const at::Tensor members = at::zeros({options.clusters}, points.options()).index_add_(0, labels, each);
    const at::Tensor sums = at::zeros_like(found.centres).index_add_(0, labels, points);
    found.centres = at::where(members.unsqueeze(1) > 0, sums / members.clamp_min(1).unsqueeze(1), found.centres);
  }
  return found;
}

}  // namespace

void KMeansOptions::validate() const {
  if (clusters < 1 || iterations < 1 || starts < 1) {
    throw UsageError("k-means: expected clusters, iterations and starts from 1 on");
  }
}

KMeans k_means(const at::Tensor& points, const KMeansOptions& options) {
  options.validate();
  require_dimensions(points, "points", 2, "(N, F)");
  if (points.dim() != 2) {
    throw ShapeError(fmt::format("points: found shape {}, expected (N, F)", shape_text(points.sizes())));
  }
  if (points.size(0) < options.clusters) {
    throw DataError(fmt::format("k-means: found {} points for {} clusters, expected one for each or more",
                                points.size(0), options.clusters));
  }
  const at::Tensor all = points.detach();
  if (!all.isfinite().all().item<bool>()) throw DataError("k-means: found points that are not finite");
  KMeans best;
  for (int start = 0; start < options.starts; ++start) {
    KMeans found = k_means_once(all, options, start);
    if (start == 0 || found.spread < best.spread) best = std::move(found);
  }
  return best;
}

}  // namespace noema
