// Null models: what each keeps, and that their p values mean what they say.
#include "noema/connectomics/null_models.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "gradient_check.h"
#include "noema/connectomics/initialisers.h"
#include "noema/core/error.h"
#include "sphere_maps.h"

namespace noema {
namespace {

double correlation(const at::Tensor& a, const at::Tensor& b) {
  return at::corrcoef(at::stack({a, b}))[0][1].item<double>();
}

/// Of each pair of maps.
template <class Nulls>
at::Tensor p_values(const at::Tensor& maps, const at::Tensor& others, const Nulls& nulls) {
  std::vector<double> p;
  for (std::int64_t i = 0; i < maps.size(0); ++i) {
    const at::Tensor drawn = nulls(maps[i], static_cast<std::uint64_t>(i));
    const at::Tensor z = drawn - drawn.mean(1, true), y = others[i] - others[i].mean();
    const at::Tensor r = z.matmul(y) / (z.norm(2, {1}) * y.norm());
    p.push_back(surrogate_p_value(correlation(maps[i], others[i]), r));
  }
  return at::tensor(p, at::kDouble);
}

double significant(const at::Tensor& p) { return (p <= 0.05).to(at::kDouble).mean().item<double>(); }

/// p values of 120 tests whose null is true are spread evenly, up to chance (of which bounds leave 1 in 1,000).
void expect_even(const at::Tensor& p, const char* name) {
  SCOPED_TRACE(name);
  EXPECT_GT(significant(p), 0);
  EXPECT_LT(significant(p), 0.13);
  EXPECT_NEAR(p.mean().item<double>(), 0.5, 0.09);
  EXPECT_NEAR((p <= 0.5).to(at::kDouble).mean().item<double>(), 0.5, 0.15);
}

TEST(NullModels, RotationsAndSpins) {
  const at::Tensor q = random_rotations(2000, 1);
  EXPECT_LT(largest_difference(q.matmul(q.mT()), at::eye(3, at::kDouble)), 1e-13);
  EXPECT_LT(largest_difference(at::linalg_det(q), at::ones({2000}, at::kDouble)), 1e-13);
  EXPECT_LT(q.mean(0).abs().max().item<double>(), 0.05);  // no direction is preferred
  EXPECT_NEAR(q.square().mean().item<double>(), 1.0 / 3, 1e-12);
  const at::Tensor points = sphere_points(400);
  const at::Tensor spins = spin_indices(points, 5, 3);
  for (std::int64_t i = 0; i < 5; ++i) {
    // Neighbours stay neighbours: distances between the sources are those of the vertices, up to the mesh's width.
    const at::Tensor moved = points.index_select(0, spins[i]);
    const at::Tensor before = distance_matrix(points, points), after = distance_matrix(moved, moved);
    EXPECT_LT((before - after).abs().mean().item<double>(), 1);
    EXPECT_GT((moved - points).norm(2, {1}).mean().item<double>(), 1);
  }
  EXPECT_TRUE(spins.equal(spin_indices(points, 5, 3)));
  // A pair of hemispheres: mirrored spheres get mirrored spins.
  const at::Tensor mirrored = points * at::tensor({-1., 1., 1.}, at::kDouble);
  EXPECT_TRUE(spin_indices(mirrored, 5, 3, true).equal(spins));
  EXPECT_THROW(spin_indices(points, 0, 3), UsageError);
  EXPECT_THROW(spin_indices(made_up({4, 2}), 1, 3), ShapeError);
}

TEST(NullModels, MoranKeepsMoments) {
  const at::Tensor points = sphere_points(120), d = sphere_distances(points);
  const at::Tensor weights = at::exp(-d / 3), map = smooth_maps(d, 5, 1, 2)[0] + 4;
  const at::Tensor nulls = moran_surrogates(map, weights, 20, 1);
  EXPECT_LT(largest_difference(nulls.mean(1), map.mean().expand({20})), 1e-10);
  EXPECT_LT(largest_difference(nulls.var(1), map.var().expand({20})), 1e-10);
  EXPECT_LT(largest_difference(morans_i(nulls, weights), morans_i(map, weights).expand({20})), 1e-10);
  EXPECT_GT(morans_i(map, weights).item<double>(), 0.1);
  EXPECT_LT(std::abs(correlation(nulls[0], map)), 0.9);
  EXPECT_GT((nulls[0] - nulls[1]).norm().item<double>(), 0.1);
  EXPECT_THROW(moran_surrogates(map, made_up({3, 3}), 2, 1), ShapeError);
}

TEST(NullModels, ProbabilitiesAreCalibrated) {
  const at::Tensor points = sphere_points(100), d = sphere_distances(points);
  const at::Tensor maps = smooth_maps(d, 5, 120, 5), others = smooth_maps(d, 5, 120, 6);
  const auto shuffled = [](const at::Tensor& map, std::uint64_t seed) {
    return map.index_select(0, uniform_numbers({60, map.size(0)}, seed, "shuffle").argsort(std::int64_t{1}).flatten())
        .reshape({60, -1});
  };
  EXPECT_GT(significant(p_values(maps, others, shuffled)), 0.35);  // smooth maps correlate by chance
  const auto moran = [&](const at::Tensor& map, std::uint64_t seed) {
    return moran_surrogates(map, at::exp(-d / 5), 60, seed);
  };
  expect_even(p_values(maps, others, moran), "Moran");
  const auto spun = [&](const at::Tensor& map, std::uint64_t seed) {
    return map.index_select(0, spin_indices(points, 60, seed).flatten()).reshape({60, -1});
  };
  expect_even(p_values(maps, others, spun), "spin");
  // Maps that share most of what they are, are found.
  const at::Tensor alike = 0.95 * maps.slice(0, 0, 30) + 0.3 * others.slice(0, 0, 30);
  EXPECT_GT(significant(p_values(maps.slice(0, 0, 30), alike, moran)), 0.9);
  EXPECT_GT(significant(p_values(maps.slice(0, 0, 30), alike, spun)), 0.9);
}

/// Share of a map's variance that lies between parcels.
double between(const at::Tensor& map, const at::Tensor& labels) {
  double sum = 0;
  for (std::int64_t k = 0; k <= labels.max().item<std::int64_t>(); ++k) {
    const at::Tensor own = map.index_select(0, (labels == k).nonzero().flatten());
    sum += static_cast<double>(own.numel()) * (own.mean() - map.mean()).square().item<double>();
  }
  return sum / (map - map.mean()).square().sum().item<double>();
}

TEST(NullModels, RandomParcelsAreCalibrated) {
  const at::Tensor points = sphere_points(100), maps = smooth_maps(sphere_distances(points), 5, 120, 5);
  std::vector<at::Tensor> nulls;
  for (std::uint64_t seed = 0; seed < 40; ++seed) nulls.push_back(random_parcels(points, 8, seed, Geometry::spherical));
  const auto p_of = [&](const at::Tensor& map, const at::Tensor& labels) {
    std::vector<double> values;
    for (const at::Tensor& null : nulls) values.push_back(between(map, null));
    return surrogate_p_value(between(map, labels), at::tensor(values, at::kDouble));
  };
  std::vector<double> p;
  for (std::int64_t i = 0; i < 120; ++i) {
    p.push_back(p_of(maps[i], random_parcels(points, 8, 1000 + static_cast<std::uint64_t>(i), Geometry::spherical)));
  }
  expect_even(at::tensor(p, at::kDouble), "random parcels");
  const at::Tensor planted = random_parcels(points, 8, 7777, Geometry::spherical);
  const at::Tensor steps = made_up({8}).index_select(0, planted) + 0.1 * maps[0] / maps[0].std();
  EXPECT_NEAR(p_of(steps, planted), 1.0 / 41, 1e-12);
}

TEST(NullModels, PhasesAreCalibrated) {
  // Slow series correlate by chance; surrogates are as slow.
  at::Tensor slow = normal_numbers({240, 200}, 9, "slow");
  for (std::int64_t t = 1; t < 200; ++t) slow.select(1, t).add_(0.85 * slow.select(1, t - 1));
  const at::Tensor first = slow.slice(0, 0, 120), second = slow.slice(0, 120);
  const auto phases = [](const at::Tensor& series, std::uint64_t seed) {
    std::vector<at::Tensor> drawn;
    for (std::uint64_t i = 0; i < 60; ++i) drawn.push_back(phase_surrogate(series.unsqueeze(0), 100 * seed + i));
    return at::cat(drawn);
  };
  expect_even(p_values(first, second, phases), "phases");
  const at::Tensor alike = first.slice(0, 0, 30) + 0.3 * second.slice(0, 0, 30);
  EXPECT_GT(significant(p_values(first.slice(0, 0, 30), alike, phases)), 0.9);
}

TEST(NullModels, RandomParcelsAndPhases) {
  const at::Tensor points = sphere_points(200);
  const at::Tensor labels = random_parcels(points, 12, 3, Geometry::spherical);
  EXPECT_EQ(at::bincount(labels).numel(), 12);
  EXPECT_GT(at::bincount(labels).min().item<std::int64_t>(), 0);
  EXPECT_FALSE(labels.equal(random_parcels(points, 12, 4, Geometry::spherical)));
  EXPECT_EQ(random_parcels(points, 200, 1).sum().item<std::int64_t>(), 199 * 100);
  EXPECT_THROW(random_parcels(points, 201, 1), UsageError);
  for (const std::int64_t frames : {50, 51}) {
    const at::Tensor x = made_up({4, frames}).cumsum(1);
    const at::Tensor null = phase_surrogate(x, 1);
    EXPECT_LT(largest_difference(at::cov(null), at::cov(x)), 1e-10);
    EXPECT_LT(largest_difference(at::fft_rfft(null).abs(), at::fft_rfft(x).abs()), 1e-10);
    EXPECT_GT(largest_difference(null, x), 0.5);
  }
  EXPECT_DOUBLE_EQ(surrogate_p_value(0.5, at::tensor({0.1, -0.6, 0.5, 0.2}, at::kDouble)), 3.0 / 5);
  EXPECT_THROW(surrogate_p_value(0.5, {}), ShapeError);
}

}  // namespace
}  // namespace noema
