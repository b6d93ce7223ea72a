// Sparse networks of correlations against the whole matrix, and the eigenmaps of both.
#include "noema/connectomics/sparse_affinity.h"

#include <ATen/ops/corrcoef.h>
#include <ATen/ops/full.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <limits>

#include "gradient_check.h"
#include "noema/core/error.h"

namespace noema {
namespace {

/// Series (V, T) around a ring, so that neighbours correlate and the network is in one piece.
at::Tensor ring_series(std::int64_t count, std::int64_t frames) {
  const at::Tensor noise = made_up({count, frames}, 3);
  at::Tensor smooth = noise.clone();
  for (std::int64_t k = 1; k <= 4; ++k) smooth += noise.roll(k, 0) + noise.roll(-k, 0);
  return smooth;
}

at::Tensor dense(const SparseNetwork& network) {
  const auto count = static_cast<std::int64_t>(network.offsets.size()) - 1;
  at::Tensor matrix = at::zeros({count, count}, at::kDouble);
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t e = network.offsets[static_cast<std::size_t>(i)];
         e < network.offsets[static_cast<std::size_t>(i) + 1]; ++e) {
      matrix[i][network.columns[static_cast<std::size_t>(e)]] = network.weights[static_cast<std::size_t>(e)];
    }
  }
  return matrix;
}

/// The same from all correlations at once: those of each row's k largest above the threshold, in either direction.
at::Tensor expected(const at::Tensor& series, std::int64_t k, double threshold) {
  at::Tensor r = at::corrcoef(series.to(at::kDouble));
  r.fill_diagonal_(-1);
  const at::Tensor least = k == 0 ? at::full({r.size(0), 1}, -1, at::kDouble) : std::get<0>(r.topk(k, 1)).slice(1, k - 1, k);
  const at::Tensor kept = (r >= least).logical_and(r > threshold);
  return at::where(kept.logical_or(kept.t()), r, at::zeros_like(r));
}

TEST(SparseAffinity, EqualsTheWholeMatrix) {
  const at::Tensor series = ring_series(70, 40) + 100;
  struct Case {
    std::int64_t k;
    double threshold;
    std::int64_t rows;
  };
  for (const Case& c : std::vector<Case>{{5, 0, 16}, {5, 0.6, 70}, {0, 0.1, 7}, {1, 0, 1}, {69, 0, 1000}}) {
    const AffinityOptions options{.neighbours = c.k, .threshold = c.threshold, .rows_at_once = c.rows};
    const at::Tensor found = dense(sparse_affinity(series, options)), right = expected(series, c.k, c.threshold);
    EXPECT_LT(largest_difference(found, right), 1e-12) << c.k << " " << c.threshold;
    EXPECT_TRUE((found > 0).equal(right > 0)) << c.k << " " << c.threshold;
    EXPECT_TRUE(found.equal(found.t()));
    const at::Tensor single = dense(sparse_affinity(series.to(at::kFloat), options));
    EXPECT_LT(largest_difference(single, right), 2e-5) << c.k << " " << c.threshold;
    EXPECT_TRUE(single.equal(single.t()));
  }
  // The ring shows: an edge that one end alone names is there too, so that some have more than five.
  const at::Tensor degree = (dense(sparse_affinity(series, {.neighbours = 5})) > 0).sum(1);
  EXPECT_GE(degree.min().item<std::int64_t>(), 5);
  EXPECT_GT(degree.max().item<std::int64_t>(), 5);
}

TEST(SparseAffinity, EigenmapsTakeIt) {
  const at::Tensor series = ring_series(90, 60);
  const SparseNetwork network = sparse_affinity(series.to(at::kFloat), {.neighbours = 12});
  const Embedding found = laplacian_eigenmaps(network, 3), right = laplacian_eigenmaps(expected(series, 12, 0), 3);
  EXPECT_LT(largest_difference(found.values, right.values), 1e-6);
  EXPECT_GT(right.values.min().item<double>(), 1e-3);
}

TEST(SparseAffinity, ConstantSeriesAndWrongInputs) {
  at::Tensor series = ring_series(20, 30);
  series[4].fill_(7);
  const SparseNetwork network = sparse_affinity(series, {.neighbours = 3});
  EXPECT_EQ(network.offsets[5], network.offsets[4]);
  EXPECT_EQ(dense(network).select(1, 4).abs().sum().item<double>(), 0);
  EXPECT_THROW(laplacian_eigenmaps(network, 2), DataError);  // a node without edges
  EXPECT_EQ(sparse_affinity(series.slice(0, 0, 1)).columns.size(), 0u);
  series[2][3] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(sparse_affinity(series), DataError);
  EXPECT_THROW(sparse_affinity(made_up({2, 3, 4})), ShapeError);
  EXPECT_THROW(sparse_affinity(made_up({0, 4})), ShapeError);
  EXPECT_THROW(sparse_affinity(made_up({3, 4}), {.neighbours = -1}), UsageError);
  EXPECT_THROW(sparse_affinity(made_up({3, 4}), {.threshold = 1}), UsageError);
  EXPECT_THROW(sparse_affinity(made_up({3, 4}), {.rows_at_once = 0}), UsageError);
}

}  // namespace
}  // namespace noema
