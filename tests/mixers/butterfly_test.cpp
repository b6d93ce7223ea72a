#include "noema/mixers/butterfly.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/complex.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/fft_fft.h>
#include <ATen/ops/fft_ifft.h>
#include <ATen/ops/glu.h>
#include <ATen/ops/real.h>

#include <complex>
#include <numbers>

#include "noema/core/error.h"
#include "noema/mixers/long_conv.h"
#include "written_out.h"

namespace noema {
namespace {

using namespace written_out;

c10::complex<double> root(std::int64_t turns, std::int64_t of) {
  const auto angle = -2 * std::numbers::pi * static_cast<double>(turns % of) / static_cast<double>(of);
  return {std::cos(angle), std::sin(angle)};
}

/// The matrices `name`.factor0, … as complex ones.
std::vector<at::Tensor> factors_of(Values& p, const std::string& name) {
  std::vector<at::Tensor> factors;
  for (int i = 0; p.contains(name + std::to_string(i)); ++i) {
    const at::Tensor parts = p[name + std::to_string(i)];
    factors.push_back(at::complex(parts.select(2, 0), parts.select(2, 1)));
  }
  return factors;
}

/// The transform as a product of matrices (N, N): one for each factor, and a permutation.
at::Tensor written_out_transform(const std::vector<at::Tensor>& factors) {
  std::int64_t size = 1;
  for (const at::Tensor& factor : factors) size *= factor.size(0);
  const auto options = at::TensorOptions(at::kComplexDouble);
  at::Tensor product = at::eye(size, options);
  std::int64_t rest = size;
  for (const at::Tensor& factor : factors) {
    const std::int64_t m = factor.size(0), q = rest / m;
    at::Tensor matrix = at::zeros({size, size}, options);
    for (std::int64_t start = 0; start < size; start += rest) {
      for (std::int64_t k = 0; k < m; ++k) {
        for (std::int64_t a = 0; a < m; ++a) {
          for (std::int64_t b = 0; b < q; ++b) {
            const auto weight = factor[k][a].item<c10::complex<double>>() * root(b * k, rest);
            matrix[start + k * q + b][start + a * q + b] = weight;
          }
        }
      }
    }
    product = matrix.matmul(product);
    rest = q;
  }
  at::Tensor order = at::zeros({size, size}, options);
  for (std::int64_t place = 0; place < size; ++place) {
    std::int64_t left = size, digits = place, scale = 1, target = 0;
    for (const at::Tensor& factor : factors) {
      left /= factor.size(0);
      target += digits / left * scale;  // the slowest digit becomes the fastest
      digits %= left;
      scale *= factor.size(0);
    }
    order[target][place] = 1.0;
  }
  return order.matmul(product);
}

at::Tensor as_complex(const at::Tensor& x) { return at::complex(x, at::zeros(x.sizes(), x.options())); }

/// (B, n, C) → (B, N, C).
at::Tensor transformed(const at::Tensor& u, const std::vector<at::Tensor>& factors) {
  const at::Tensor matrix = written_out_transform(factors);
  return at::matmul(matrix, as_complex(at::constant_pad_nd(u, {0, 0, 0, matrix.size(0) - u.size(1)})));
}

TEST(ButterflyTransform, StartsAsTheFourierTransform) {
  for (const std::int64_t size : {2, 8, 32, 64}) {
    for (const std::int64_t radix : {2, 4, 16}) {
      SCOPED_TRACE(std::to_string(size) + " by " + std::to_string(radix));
      const ButterflyTransform transform(size, radix);
      const at::Tensor u = normal({3, size - 1, 2}, "u");
      const at::Tensor expected = at::fft_fft(u, size, 1), found = transform.forward(u.to(at::kFloat)).detach();
      EXPECT_EQ(found.scalar_type(), at::kComplexFloat);
      EXPECT_LT((found.to(at::kComplexDouble) - expected).abs().max().item<double>(),
                1e-6 * expected.abs().max().item<double>());
    }
  }
}

TEST(ButterflyTransform, IsTheProductOfItsFactors) {
  for (const auto& [size, radix] : {std::pair(4, 16), std::pair(32, 2), std::pair(32, 16), std::pair(32, 4)}) {
    SCOPED_TRACE(std::to_string(size) + " by " + std::to_string(radix));
    ButterflyTransform transform(size, radix);
    transform.to(at::kDouble);
    const at::NoGradGuard no_gradients;
    for (const auto& item : transform.named_parameters()) {
      item.value().copy_(normal(item.value().sizes(), item.key().c_str()));
    }
    Values p = values_of(transform);
    const at::Tensor u = normal({2, size, 3}, "u"), expected = transformed(u, factors_of(p, "factor"));
    EXPECT_LT((transform.forward(u) - expected).abs().max().item<double>(),
              1e-12 * expected.abs().max().item<double>());
  }
  EXPECT_EQ(ButterflyTransform(32, 16).parameters().size(), 2);
  EXPECT_EQ(ButterflyTransform(32, 4).flops(), 8 * 32 * (4 + 4 + 2) + 6 * 32 * 2);
  EXPECT_THROW(ButterflyTransform(24, 2), UsageError);
  EXPECT_THROW(ButterflyTransform(32, 3), UsageError);
}

ButterflyConvOptions options_of(std::int64_t taps) {
  ButterflyConvOptions options;
  options.channels = 3;
  options.taps = taps;
  options.radix = 4;
  options.squash_threshold = 0.01;
  return options;
}

TEST(ButterflyConv, StartsAsTheLongConvolution) {
  for (const KernelKind kind : {KernelKind::taps, KernelKind::sine}) {
    for (const std::int64_t taps : {1, 5, 8, 16}) {
      SCOPED_TRACE(taps);
      ButterflyConvOptions options = options_of(taps);
      options.kernel.kind = kind;
      options.kernel.sine.width = 4;
      if (kind != KernelKind::taps) options.squash_threshold = 0;
      at::Generator generator = parameter_generator(), same = parameter_generator();
      const ButterflyConv mixer(options, generator);
      const LongConv plain(static_cast<const LongConvOptions&>(options), same);
      const at::NoGradGuard no_gradients;
      for (const std::int64_t volumes : {1, 4, 16, 39}) {  // of a part of a block to many
        const at::Tensor x = normal({2, volumes, 3}, "x", at::kFloat);
        expect_is(mixer.forward(x, all_volumes(x), {}) - x, plain.forward(x, all_volumes(x), {}) - x, 5e-6);
        const at::Tensor dropped = plain.forward(x, all_volumes(x), same_draws()) - x;
        expect_is(mixer.forward(x, all_volumes(x), same_draws()) - x, dropped, 5e-6);
      }
    }
  }
}

TEST(ButterflyConv, IsTheFormulaOfItsDescription) {
  const ButterflyConvOptions options = options_of(5);  // 16 values: blocks of 8 volumes
  expect_formula<ButterflyConv>(options, 3, [&](const at::Tensor& x, Values& p) {
    const at::Tensor v = normed(x, p);
    const at::Tensor taps = squash(p["kernel"], 0.01).t().unsqueeze(0);
    const at::Tensor of_kernel = transformed(taps, factors_of(p, "kernel_transform.factor"));
    at::Tensor mixed = p["skip"] * v;
    for (std::int64_t start = 0; start < x.size(1); start += 8) {
      const at::Tensor block = v.narrow(1, start, std::min<std::int64_t>(8, x.size(1) - start));
      const at::Tensor spectrum = transformed(block, factors_of(p, "series_transform.factor")) * of_kernel;
      const std::int64_t reached = std::min<std::int64_t>(16, x.size(1) - start);
      mixed.narrow(1, start, reached) += at::real(at::fft_ifft(spectrum, std::nullopt, 1)).narrow(1, 0, reached);
    }
    return at::glu(mapped(gelu_of(mixed), p, "output"), -1);
  });
}

TEST(ButterflyConv, IsSoundAsAMixer) {
  ButterflyConvOptions small = options_of(2);
  small.radix = 2;
  expect_exact_gradients(*filled<ButterflyConv>(small), 3);
  const auto mixer = filled<ButterflyConv>(options_of(5), at::kFloat);
  const at::NoGradGuard no_gradients;
  const at::Tensor x = normal({2, 11, 3}, "x", at::kFloat), junk = normal({2, 6, 3}, "junk", at::kFloat) * 100;
  const at::Tensor padded = at::cat({x, junk}, 1), mask = at::cat({all_volumes(x), at::zeros({2, 6, 1})}, 1);
  const at::Tensor alone = mixer->forward(x, all_volumes(x), {});
  EXPECT_LT(largest_difference(mixer->forward(padded, mask, {}).narrow(1, 0, 11), alone), 1e-4);
  EXPECT_GT(largest_difference(mixer->forward(padded, at::ones({2, 17, 1}), {}).narrow(1, 0, 11), alone), 0.1);
  EXPECT_FALSE(mixer->has_recurrence());
}

TEST(ButterflyConv, ReportsItsSize) {
  const auto mixer = filled<ButterflyConv>(options_of(5), at::kFloat);
  EXPECT_EQ(mixer->parameter_count(), 3 * 5 + 3 + 6 + (6 * 3 + 6) + 2 * 2 * (16 + 16));  // two factors of 4
  EXPECT_EQ(mixer->state_bytes(), 3 * 8 * 3 * 4);
  const std::int64_t transform = 8 * 16 * 8 + 6 * 16;
  const std::int64_t block = transform + 6 * 16 + 5 * 16 * 4 + 8;
  EXPECT_EQ(mixer->flops(17), 3 * (transform + 3 * block) + 17 * 3 * (2 * 6 + 30));
  for (const std::int64_t radix : {1, 3, 32}) {
    ButterflyConvOptions options = options_of(5);
    options.radix = radix;
    EXPECT_THROW(options.validate(), UsageError) << radix;
  }
  EXPECT_THROW(options_of(0).validate(), UsageError);
  ButterflyConvOptions coarse = options_of(4);
  coarse.precision = LongConvPrecision::bf16;
  EXPECT_THROW(coarse.validate(), UsageError);
  const auto tags = training_tags(*mixer);
  EXPECT_EQ(tags.at("kernel"), kFreeTaps);
  EXPECT_EQ(tags.at("series_transform.factor1"), kDynamics);
  EXPECT_EQ(tags.at("kernel_transform.factor0"), kDynamics);
  EXPECT_TRUE(tags.at("output.weight").decay);
}

}  // namespace
}  // namespace noema
