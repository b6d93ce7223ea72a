// Mixers of channels: SwiGLU and those of structured matrices.
#include <ATen/ops/complex.h>

#include <cmath>
#include <numbers>

#include "noema/core/error.h"
#include "noema/mixers/monarch.h"
#include "noema/mixers/swiglu.h"
#include "written_out.h"

namespace noema {
namespace {

using namespace written_out;

/// The dense matrix (k·q, k·p) of blocks (k, q, p).
at::Tensor dense(const at::Tensor& w) {
  const std::int64_t k = w.size(0), q = w.size(1), p = w.size(2);
  at::Tensor matrix = at::zeros({k * q, k * p}, w.options());
  for (std::int64_t b = 0; b < k; ++b) matrix.narrow(0, b * q, q).narrow(1, b * p, p).copy_(w[b]);
  return matrix;
}

/// The dense matrix of a Monarch product, entry by entry.
at::Tensor dense(const at::Tensor& w1, const at::Tensor& w2) {
  const at::Tensor inner = dense(w1);
  const std::int64_t l = w2.size(0), m = w2.size(1), r = w2.size(2);
  at::Tensor matrix = at::zeros({l * m, inner.size(1)}, w1.options());
  for (std::int64_t j = 0; j < l; ++j) {
    for (std::int64_t s = 0; s < m; ++s) {
      for (std::int64_t i = 0; i < r; ++i) matrix[s * l + j] += w2[j][s][i] * inner[i * l + j];
    }
  }
  return matrix;
}

TEST(MonarchProduct, IsThatWithTheDenseMatrix) {
  const at::Tensor x = normal({3, 5, 12}, "x");
  const at::Tensor w = normal({3, 5, 4}, "w");
  EXPECT_LT(largest_difference(block_diagonal_product(x, w), x.matmul(dense(w).t())), 1e-12);
  const at::Tensor w1 = normal({3, 8, 4}, "w1"), w2 = normal({4, 5, 6}, "w2");  // 12 → 24 → 20
  EXPECT_LT(largest_difference(monarch_product(x, w1, w2), x.matmul(dense(w1, w2).t())), 1e-12);
  EXPECT_THROW(block_diagonal_product(x, normal({3, 5, 5}, "w")), ShapeError);
  EXPECT_THROW(monarch_product(x, w1, normal({4, 5, 5}, "w2")), ShapeError);
}

TEST(MonarchProduct, HoldsTheFourierTransform) {
  // N = n·m, values dealt out as x[a·n + b] → block b: m-point transforms, twiddles and n-point transforms.
  constexpr std::int64_t n = 4, m = 3, size = n * m;
  const auto root = [](std::int64_t k, std::int64_t of) {
    return c10::complex<double>(std::cos(2 * std::numbers::pi * double(k) / double(of)),
                                -std::sin(2 * std::numbers::pi * double(k) / double(of)));
  };
  const auto options = at::TensorOptions(at::kComplexDouble);
  at::Tensor w1 = at::zeros({n, m, m}, options), w2 = at::zeros({m, n, n}, options),
             matrix = at::zeros({size, size}, options);
  for (std::int64_t b = 0; b < n; ++b) {
    for (std::int64_t k = 0; k < m; ++k) {
      for (std::int64_t a = 0; a < m; ++a) w1[b][k][a] = root(a * k, m) * root(b * k, size);
      for (std::int64_t second = 0; second < n; ++second) w2[k][second][b] = root(b * second, n);
    }
  }
  for (std::int64_t k = 0; k < size; ++k) {
    for (std::int64_t t = 0; t < size; ++t) matrix[k][t] = root(k * t, size);
  }
  const at::Tensor x = at::complex(normal({2, size}, "re"), normal({2, size}, "im"));
  const at::Tensor dealt = x.view({2, m, n}).transpose(1, 2).reshape({2, size});
  EXPECT_LT((monarch_product(dealt, w1, w2) - x.matmul(matrix.t())).abs().max().item<double>(), 1e-12);
}

// From the first factor's blocks every block of the second is reached if each has as many outputs as there are blocks.
TEST(StructuredLinear, ReachesEveryOutputIfBlocksAreFew) {
  at::Generator generator = parameter_generator();
  const auto reached = [&](std::int64_t in, std::int64_t out, std::int64_t blocks, ChannelStructure structure) {
    const auto p = values_of(StructuredLinear(in, out, blocks, structure, generator));
    const at::Tensor matrix =
        structure == ChannelStructure::monarch ? dense(p.at("first"), p.at("second")) : dense(p.at("first"));
    return matrix.ne(0).to(at::kDouble).mean().item<double>();
  };
  EXPECT_EQ(reached(9, 6, 3, ChannelStructure::monarch), 1);
  EXPECT_EQ(reached(16, 4, 4, ChannelStructure::monarch), 1);
  EXPECT_LT(reached(6, 9, 3, ChannelStructure::monarch), 1);
  EXPECT_NEAR(reached(9, 6, 3, ChannelStructure::block_diagonal), 1.0 / 3, 1e-12);
}

TEST(StructuredLinear, StartsUniform) {
  at::Generator generator = parameter_generator();
  const auto p = values_of(StructuredLinear(100, 200, 4, ChannelStructure::monarch, generator));
  for (const char* name : {"first", "second"}) {
    EXPECT_LE(p.at(name).abs().max().item<double>(), 0.2) << name;  // 25 inputs of a block
    EXPECT_NEAR(p.at(name).std().item<double>(), 0.2 / std::sqrt(3.0), 0.005) << name;
  }
  EXPECT_EQ(p.at("bias").abs().max().item<double>(), 0);
}

MonarchGluOptions monarch_options(ChannelStructure structure) {
  return {.channels = 6, .hidden = 9, .blocks = 3, .structure = structure};
}

TEST(MonarchGlu, IsTheFormulaOfItsDescription) {
  for (const ChannelStructure structure : {ChannelStructure::block_diagonal, ChannelStructure::monarch}) {
    expect_formula<MonarchGlu>(monarch_options(structure), 6, [&](const at::Tensor& x, Values& p) {
      const auto layer = [&](const at::Tensor& in, const std::string& name) {
        const at::Tensor matrix = structure == ChannelStructure::monarch
                                      ? dense(p[name + ".first"], p[name + ".second"])
                                      : dense(p[name + ".first"]);
        return in.matmul(matrix.t()) + p[name + ".bias"];
      };
      const at::Tensor v = normed(x, p);
      return layer(gelu_of(layer(v, "gate")) * layer(v, "value"), "output");
    });
  }
}

TEST(MonarchGlu, IsSoundAsAMixer) {
  for (const ChannelStructure structure : {ChannelStructure::block_diagonal, ChannelStructure::monarch}) {
    const MonarchGluOptions options = monarch_options(structure);
    expect_exact_gradients(*filled<MonarchGlu>(options), 6);
    expect_padding_without_influence(*filled<MonarchGlu>(options, at::kFloat), 6);
    expect_recurrence<MonarchGlu>(options, 6);
  }
}

TEST(MonarchGlu, DropsOutOnlyWithDraws) {
  MonarchGluOptions options = monarch_options(ChannelStructure::monarch);
  options.dropout = 0.5;
  expect_output_dropout(*filled<MonarchGlu>(options), 6);
}

TEST(MonarchGlu, ReportsItsSize) {
  const auto blocks = filled<MonarchGlu>(monarch_options(ChannelStructure::block_diagonal), at::kFloat);
  EXPECT_EQ(blocks->parameter_count(), 2 * 6 + 3 * (6 * 9 / 3) + 9 + 9 + 6);
  EXPECT_EQ(blocks->state_bytes(), 0);
  EXPECT_EQ(blocks->initial_state(2).size(), 0);
  EXPECT_EQ(blocks->flops(7), 7 * (2 * 3 * 18 + 24 + 6 * 9 + 9 * 11));
  const auto monarch = filled<MonarchGlu>(monarch_options(ChannelStructure::monarch), at::kFloat);
  EXPECT_EQ(monarch->parameter_count(), blocks->parameter_count() + 2 * 6 * 6 / 3 + 9 * 9 / 3);
  EXPECT_EQ(monarch->flops(7), blocks->flops(7) + 7 * 2 * (2 * 12 + 27));
  EXPECT_THROW((MonarchGluOptions{.channels = 6, .blocks = 4}.validate()), UsageError);
  EXPECT_THROW((MonarchGluOptions{.channels = 8, .hidden = 10}.validate()), UsageError);
  at::Generator generator = parameter_generator();
  EXPECT_THROW(StructuredLinear(6, 8, 3, ChannelStructure::monarch, generator), UsageError);
}

const SwiGluOptions kSwiGlu{.channels = 5, .hidden = 7};

TEST(SwiGlu, IsTheFormulaOfItsDescription) {
  expect_formula<SwiGlu>(kSwiGlu, 5, [](const at::Tensor& x, Values& p) {
    const auto parts = mapped(normed(x, p), p, "input").chunk(2, -1);
    return mapped(parts[0] / (1 + (-parts[0]).exp()) * parts[1], p, "output");
  });
}

TEST(SwiGlu, IsSoundAsAMixer) {
  expect_exact_gradients(*filled<SwiGlu>(kSwiGlu), 5);
  expect_padding_without_influence(*filled<SwiGlu>(kSwiGlu, at::kFloat), 5);
  expect_recurrence<SwiGlu>(kSwiGlu, 5);
}

TEST(SwiGlu, DropsOutOnlyWithDraws) {
  expect_output_dropout(*filled<SwiGlu>(SwiGluOptions{.channels = 5, .hidden = 7, .dropout = 0.5}), 5);
}

TEST(SwiGlu, ReportsItsSize) {
  const auto module = filled<SwiGlu>(kSwiGlu, at::kFloat);
  EXPECT_EQ(module->parameter_count(), 2 * 5 + 14 * 6 + 5 * 8);
  EXPECT_EQ(module->state_bytes(), 0);
  const std::int64_t products = 2 * 9 * (14 * 5 + 5 * 7);
  EXPECT_GE(module->flops(9), products);
  EXPECT_LE(module->flops(9), products + 9 * 12 * 20);
  EXPECT_EQ(filled<SwiGlu>(SwiGluOptions{.channels = 7})->parameter_count(), 14 + 38 * 8 + 7 * 20);
  EXPECT_THROW((SwiGluOptions{.hidden = -1}.validate()), UsageError);
}

}  // namespace
}  // namespace noema
