#include "noema/mixers/attention.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "noema/core/error.h"
#include "written_out.h"

namespace noema {
namespace {

using namespace written_out;

/// By loops over heads and pairs.
at::Tensor direct_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionReach& reach,
                            std::int64_t first = 0) {
  at::Tensor y = at::zeros(q.sizes(), q.options());
  const std::int64_t heads = q.size(1), shared = heads / k.size(1), width = q.size(3);
  const auto queries = q.accessor<double, 4>(), keys = k.accessor<double, 4>(), values = v.accessor<double, 4>();
  auto result = y.accessor<double, 4>();
  for (std::int64_t b = 0; b < q.size(0); ++b) {
    for (std::int64_t h = 0; h < heads; ++h) {
      for (std::int64_t t = 0; t < q.size(2); ++t) {
        std::vector<double> weights(static_cast<std::size_t>(k.size(2)));
        double sum = 0;
        for (std::int64_t s = 0; s < k.size(2); ++s) {
          const std::int64_t behind = first + t - s;
          const bool seen = (!reach.causal || behind >= 0) && (reach.window == 0 || std::abs(behind) < reach.window);
          double score = 0;
          for (std::int64_t i = 0; i < width; ++i) score += queries[b][h][t][i] * keys[b][h / shared][s][i];
          const double weight = seen ? std::exp(score / std::sqrt(static_cast<double>(width))) : 0;
          weights[static_cast<std::size_t>(s)] = weight;
          sum += weight;
        }
        for (std::int64_t s = 0; s < k.size(2); ++s) {
          const double share = weights[static_cast<std::size_t>(s)] / sum;
          for (std::int64_t i = 0; i < width; ++i) result[b][h][t][i] += values[b][h / shared][s][i] * share;
        }
      }
    }
  }
  return y;
}

at::Tensor directly_rotated(const at::Tensor& x) {
  at::Tensor y = x.clone();
  const std::int64_t half = x.size(-1) / 2;
  for (std::int64_t t = 0; t < x.size(-2); ++t) {
    for (std::int64_t i = 0; i < half; ++i) {
      const double angle =
          static_cast<double>(t) * std::pow(10000.0, -static_cast<double>(i) / static_cast<double>(half));
      const at::Tensor a = x.select(-2, t).select(-1, i), b = x.select(-2, t).select(-1, i + half);
      y.select(-2, t).select(-1, i).copy_(a * std::cos(angle) - b * std::sin(angle));
      y.select(-2, t).select(-1, i + half).copy_(a * std::sin(angle) + b * std::cos(angle));
    }
  }
  return y;
}

constexpr AttentionReach kReaches[] = {{true, 0}, {false, 0}, {true, 3}, {false, 3}, {true, 1}};

AttentionOptions options_of(const AttentionReach& reach, bool rotary = true, std::int64_t groups = 3) {
  AttentionOptions options;
  options.volumes = 17;
  options.channels = 12;
  options.heads = 3;
  options.groups = groups;
  options.reach = reach;
  options.rotary = rotary;
  return options;
}

TEST(AttentionFunction, IsTheWeightedMeanOfWhatEachMaySee) {
  for (const AttentionReach& reach : kReaches) {
    for (const std::int64_t volumes : {1, 2, 5}) {
      const at::Tensor q = normal({3, 6, volumes, 3}, "q"), k = normal({3, 2, volumes, 3}, "k"),
                       v = normal({3, 2, volumes, 3}, "v");
      EXPECT_LT(largest_difference(attention(q, k, v, reach), direct_attention(q, k, v, reach)), 1e-12);
    }
  }
}

TEST(AttentionFunction, WindowsOfManyBlocksAreTheSameSum) {
  for (const AttentionReach& reach : {AttentionReach{true, 5}, AttentionReach{false, 5}, AttentionReach{true, 70}}) {
    const at::Tensor q = normal({1, 1, 150, 2}, "q"), k = normal({1, 1, 150, 2}, "k"), v = normal({1, 1, 150, 2}, "v");
    EXPECT_LT(largest_difference(attention(q, k, v, reach), direct_attention(q, k, v, reach)), 1e-12);
    const at::Tensor later = q.narrow(2, 20, 130);
    EXPECT_LT(largest_difference(attention(later, k, v, reach, {}, 20), attention(q, k, v, reach).narrow(2, 20, 130)),
              1e-12);
  }
}

TEST(Rotation, IsByAnglesThatGrowWithTime) {
  const at::Tensor x = normal({2, 3, 9, 6}, "x");
  EXPECT_LT(largest_difference(rotated(x), directly_rotated(x)), 1e-12);
  EXPECT_LT(largest_difference(rotated(x.narrow(2, 4, 5), 4), rotated(x).narrow(2, 4, 5)), 1e-12);
  EXPECT_LT(largest_difference(rotated(x).square().sum(-1), x.square().sum(-1)), 1e-12);
}

TEST(Attention, IsTheFormulaOfItsDescription) {
  for (const AttentionReach& reach : kReaches) {
    for (const bool rotary : {true, false}) {
      const AttentionOptions options = options_of(reach, rotary, rotary ? 1 : 3);
      expect_formula<Attention>(options, 12, [&](const at::Tensor& x, Values& p) {
        const auto split = [&](const at::Tensor& part, std::int64_t heads) {
          const at::Tensor by_head = part.reshape({x.size(0), x.size(1), heads, 4}).permute({0, 2, 1, 3});
          return by_head.contiguous();
        };
        const at::Tensor all = mapped(normed(x, p), p, "input");
        const std::int64_t kept = 4 * options.groups;
        at::Tensor q = split(all.narrow(2, 0, 12), 3), k = split(all.narrow(2, 12, kept), options.groups);
        const at::Tensor v = split(all.narrow(2, 12 + kept, kept), options.groups);
        if (rotary) {
          q = directly_rotated(q);
          k = directly_rotated(k);
        }
        const at::Tensor heads = direct_attention(q, k, v, reach).permute({0, 2, 1, 3}).reshape(x.sizes());
        return mapped(heads, p, "output");
      });
    }
  }
}

TEST(Attention, IsSoundAsAMixer) {
  for (const AttentionReach& reach : kReaches) {
    expect_padding_without_influence(*filled<Attention>(options_of(reach), at::kFloat), 12);
    if (reach.causal) expect_recurrence<Attention>(options_of(reach), 12);
  }
  expect_recurrence<Attention>(options_of({true, 3}, false, 1), 12);
  AttentionOptions small = options_of({true, 3}, true, 1);
  small.channels = 6;
  expect_exact_gradients(*filled<Attention>(small), 6);
  small = options_of({false, 0}, false, 3);
  small.channels = 3;
  expect_exact_gradients(*filled<Attention>(small), 3);
}

TEST(Attention, DropsOutOnlyWithDraws) {
  AttentionOptions options = options_of({true, 0});
  options.dropout = 0.5;
  expect_output_dropout(*filled<Attention>(options), 12);
}

TEST(Attention, ReportsItsSize) {
  AttentionOptions options = options_of({true, 0}, false, 1);
  options.volumes = 9;
  const auto module = filled<Attention>(options, at::kFloat);
  EXPECT_EQ(module->parameter_count(), 2 * 12 + (12 + 2 * 4) * (12 + 1) + 12 * 13);
  EXPECT_EQ(module->state_bytes(), 2 * 4 * 9 * 4);
  const std::int64_t products = 2 * 9 * 12 * (20 + 12) + 45 * 4 * 12;
  EXPECT_GE(module->flops(9), products);
  EXPECT_LE(module->flops(9), products + 45 * 3 * 20 + 9 * 12 * 20);
  options.reach.window = 4;
  const auto near = filled<Attention>(options, at::kFloat);
  EXPECT_EQ(near->state_bytes(), 2 * 4 * 3 * 4);
  EXPECT_EQ(module->flops(9) - near->flops(9), (45 - (4 * 9 - 6)) * (4 * 12 + 30));
  options.reach.causal = false;
  const auto both = filled<Attention>(options, at::kFloat);
  EXPECT_EQ(both->state_bytes(), (2 * 4 * 6 + 2 * 12 * 3) * 4);  // keys and values; queries and x
  options.reach.window = 0;
  EXPECT_EQ(filled<Attention>(options, at::kFloat)->state_bytes(), (2 * 4 + 2 * 12) * 9 * 4);
  EXPECT_FALSE(both->has_recurrence());
  EXPECT_THROW(both->initial_state(1), UsageError);
  for (const auto& [heads, groups] : {std::pair(5, 1), std::pair(4, 3), std::pair(0, 1)}) {
    options.heads = heads;
    options.groups = groups;
    EXPECT_THROW(options.validate(), UsageError) << heads << " heads";
  }
  options = options_of({true, 0});
  options.heads = options.groups = 12;  // one channel a head cannot be rotated
  EXPECT_THROW(options.validate(), UsageError);
}

}  // namespace
}  // namespace noema
