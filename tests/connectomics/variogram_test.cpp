// Variograms by their definition; surrogates that keep them, and whose p values are uniform without an association.
#include "noema/connectomics/variogram.h"

#include <ATen/ops/exp.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "gradient_check.h"
#include "noema/connectomics/initialisers.h"
#include "noema/connectomics/null_models.h"
#include "noema/connectomics/spatial.h"
#include "noema/core/error.h"
#include "noema/learn/torch_settings.h"
#include "sphere_maps.h"

namespace noema {
namespace {

TEST(Variogram, ByItsDefinition) {
  const at::Tensor points = made_up({17, 3}), d = distance_matrix(points, points), maps = made_up({2, 17}, 4);
  const VariogramOptions options{.reach = 0.5, .distances = 6};
  const at::Tensor found = variogram(maps, d, options);
  ASSERT_EQ(found.sizes(), (at::IntArrayRef{2, 6}));
  std::vector<double> apart;
  for (int i = 0; i < 17; ++i) {
    for (int j = i + 1; j < 17; ++j) apart.push_back(d[i][j].item<double>());
  }
  std::sort(apart.begin(), apart.end());
  const double least = apart.front(), most = apart[apart.size() / 2 - 1], spacing = (most - least) / 5;
  for (int m = 0; m < 2; ++m) {
    for (int h = 0; h < 6; ++h) {
      double sum = 0, total = 0;
      for (int i = 0; i < 17; ++i) {
        for (int j = i + 1; j < 17; ++j) {
          const double distance = d[i][j].item<double>();
          if (distance > most) continue;
          const double off = 2.68 * (least + h * spacing - distance) / (3 * spacing);
          const double weight = std::exp(-off * off / 2);
          sum += weight * std::pow((maps[m][i] - maps[m][j]).item<double>(), 2) / 2;
          total += weight;
        }
      }
      EXPECT_NEAR(found[m][h].item<double>(), sum / total, 1e-13);
    }
  }
}

TEST(Variogram, SurrogatesHaveTheMapsOwn) {
  const OneTorchThread one;
  const at::Tensor d = sphere_distances(sphere_points(150));
  const at::Tensor map = smooth_maps(d, 2, 1, 3)[0] + 5;
  const at::Tensor target = variogram(map.unsqueeze(0), d)[0];
  const at::Tensor nulls = variogram_surrogates(map, d, 40, 1);
  ASSERT_EQ(nulls.sizes(), (at::IntArrayRef{40, 150}));
  EXPECT_LT(nulls.mean(1).abs().max().item<double>(), 1e-12);
  // On average that of the map, far from flat as that of its values in random order.
  EXPECT_LT(((variogram(nulls, d).mean(0) - target).norm() / target.norm()).item<double>(), 0.1);
  EXPECT_GT((target[24] / target[0]).item<double>(), 2);
  const at::Tensor centred = map - map.mean();
  const at::Tensor r = nulls.matmul(centred) / (nulls.norm(2, {1}) * centred.norm());
  EXPECT_LT(r.abs().mean().item<double>(), 0.4);
  EXPECT_GT((nulls[0] - nulls[1]).norm().item<double>(), 1);
  EXPECT_TRUE(nulls.equal(variogram_surrogates(map, d, 40, 1)));
  EXPECT_FALSE(nulls.equal(variogram_surrogates(map, d, 40, 2)));
  // By rank: the same order, the map's values.
  const at::Tensor ranked = variogram_surrogates(map, d, 40, 1, {.keep_values = true});
  EXPECT_TRUE(std::get<0>(ranked[7].sort()).equal(std::get<0>(map.sort())));
  EXPECT_TRUE(ranked[7].argsort().equal(nulls[7].argsort()));
}

// Without an association p is uniform: neither too often small (as by shuffling) nor too rarely.
TEST(Variogram, ProbabilitiesAreUniform) {
  const OneTorchThread one;  // many small products
  const at::Tensor d = sphere_distances(sphere_points(100));
  const std::int64_t pairs = 200;
  const at::Tensor maps = smooth_maps(d, 2.5, pairs, 5), others = smooth_maps(d, 2.5, pairs, 6);
  const auto p_value = [&](const at::Tensor& map, const at::Tensor& other, const at::Tensor& nulls) {
    const at::Tensor x = map - map.mean(), y = other - other.mean(), z = nulls - nulls.mean(1, true);
    return surrogate_p_value((x.dot(y) / (x.norm() * y.norm())).item<double>(),
                             z.matmul(y) / (z.norm(2, {1}) * y.norm()));
  };
  std::vector<double> matched, shuffled, associated;
  for (std::int64_t i = 0; i < pairs; ++i) {
    const auto seed = static_cast<std::uint64_t>(i);
    const at::Tensor nulls = variogram_surrogates(maps[i], d, 99, seed);
    matched.push_back(p_value(maps[i], others[i], nulls));
    associated.push_back(p_value(maps[i], maps[i] + others[i], nulls));
    const at::Tensor order = uniform_numbers({99, 100}, seed, "shuffle").argsort(std::int64_t{1});
    shuffled.push_back(p_value(maps[i], others[i], maps[i].index_select(0, order.flatten()).reshape({99, -1})));
  }
  const auto share = [](const std::vector<double>& p, double alpha) {
    return static_cast<double>(std::count_if(p.begin(), p.end(), [&](double v) { return v <= alpha; })) /
           static_cast<double>(p.size());
  };
  // Binomial, 200 pairs: three standard deviations are 0.046 at 0.05, 0.085 at 0.2 and 0.106 at 0.5.
  EXPECT_NEAR(share(matched, 0.05), 0.05, 0.046);
  EXPECT_NEAR(share(matched, 0.2), 0.2, 0.085);
  EXPECT_NEAR(share(matched, 0.5), 0.5, 0.106);
  EXPECT_GT(share(matched, 0.05), 0);
  EXPECT_GT(share(shuffled, 0.05), 0.2);
  EXPECT_GT(share(associated, 0.05), 0.8);
}

TEST(Variogram, WrongInputs) {
  const at::Tensor d = sphere_distances(sphere_points(12)), map = made_up({12});
  EXPECT_THROW(variogram_surrogates(map, d, 0, 1), UsageError);
  EXPECT_THROW(variogram_surrogates(map, made_up({11, 11}), 2, 1), ShapeError);
  EXPECT_THROW(variogram_surrogates(made_up({2, 12}), d, 2, 1), ShapeError);
  EXPECT_THROW(variogram_surrogates(at::ones({12}, at::kDouble), d, 2, 1), DataError);
  EXPECT_THROW(variogram_surrogates(map * std::numeric_limits<double>::quiet_NaN(), d, 2, 1), DataError);
  EXPECT_THROW(variogram_surrogates(map, at::full({12, 12}, 2, at::kDouble), 2, 1), DataError);
  EXPECT_THROW(variogram_surrogates(map, d, 2, 1, {.reach = 0}), UsageError);
  EXPECT_THROW(variogram_surrogates(map, d, 2, 1, {.neighbourhoods = {1.5}}), UsageError);
  EXPECT_THROW(variogram(map, d), ShapeError);
}

}  // namespace
}  // namespace noema
