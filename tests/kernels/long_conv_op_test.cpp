#include "noema/kernels/long_conv_op.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/fft_irfft.h>
#include <ATen/ops/fft_rfft.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "noema/tests/support/counting_allocator.h"

namespace noema {
namespace {

struct Inputs {
  at::Tensor u, past, future, skip, pre, post;

  std::vector<at::Tensor> all() const { return {u, past, future, skip, pre, post}; }
};

/// The same by LibTorch's transforms.
at::Tensor composed(const Inputs& x) {
  const at::Tensor v = x.pre * x.u;
  const std::int64_t T = v.size(1), n = 4 * T;
  const at::Tensor gap = at::zeros({x.past.size(0), n - x.past.size(1) - x.future.size(1)}, x.past.options());
  const at::Tensor kernel = at::cat({x.past, gap, x.future.flip(1)}, 1);
  const at::Tensor spectrum = at::fft_rfft(v, n, 1) * at::fft_rfft(kernel, n, 1).t();
  return x.post * (at::fft_irfft(spectrum, n, 1).narrow(1, 0, T) + x.skip * v);
}

at::Tensor ours(const Inputs& x) { return long_conv(x.u, x.past, {x.future, x.skip, x.pre, x.post}); }

Inputs random_inputs(std::int64_t B, std::int64_t T, std::int64_t C) {
  at::Generator numbers = at::detail::getDefaultCPUGenerator();
  numbers.set_current_seed(1);
  return {at::randn({B, T, C}), at::randn({C, T}),    at::randn({C, T - 1}),
          at::randn({C}),       at::randn({B, T, C}), at::randn({B, T, C})};
}

Inputs in_double(const Inputs& x) {
  const auto leaf = [](const at::Tensor& t) { return t.detach().to(at::kDouble).requires_grad_(true); };
  return {leaf(x.u), leaf(x.past), leaf(x.future), leaf(x.skip), leaf(x.pre), leaf(x.post)};
}

double relative_error(const at::Tensor& found, const at::Tensor& expected) {
  EXPECT_EQ(found.sizes(), expected.sizes());
  return ((found.to(at::kDouble) - expected).abs().max() / expected.square().mean().sqrt()).item<double>();
}

TEST(LongConvOp, AndItsGradientsAreThoseOfTheComposition) {
  for (const bool rows_contiguous : {false, true}) {
    Inputs x = random_inputs(3, 70, 21);
    if (rows_contiguous) x.u = x.u.transpose(1, 2).contiguous().transpose(1, 2);
    Inputs exact = in_double(x);
    for (at::Tensor& t :
         {std::ref(x.u), std::ref(x.past), std::ref(x.future), std::ref(x.skip), std::ref(x.pre), std::ref(x.post)}) {
      t.requires_grad_(true);
    }
    const at::Tensor weight = at::randn(x.u.sizes());
    const at::Tensor y = ours(x), expected = composed(exact);
    EXPECT_LT(relative_error(y, expected), 1e-5);
    (y * weight).sum().backward();
    (expected * weight).sum().backward();
    for (std::size_t i = 0; i < x.all().size(); ++i) {
      EXPECT_LT(relative_error(x.all()[i].grad(), exact.all()[i].grad()), 1e-5) << "argument " << i;
    }
  }
}

TEST(LongConvOp, TakesWhatIsLeftOutAndExpandedGradients) {
  const at::Tensor u = at::randn({2, 33, 4}).requires_grad_(true), k = at::randn({4, 33}).requires_grad_(true);
  const Inputs exact = in_double({u, k, at::zeros({4, 1}), at::zeros({4}), at::ones({2, 33, 4}), at::ones({2, 33, 4})});
  long_conv(u, k).sum().backward();
  composed(exact).sum().backward();
  EXPECT_LT(relative_error(u.grad(), exact.u.grad()), 1e-5);
  EXPECT_LT(relative_error(k.grad(), exact.past.grad()), 1e-5);
}

TEST(LongConvOp, KernelsHaveNoGradientInAnEmptyBatch) {
  const at::Tensor u = at::randn({0, 33, 4}).requires_grad_(true), k = at::randn({4, 33}).requires_grad_(true),
                   d = at::randn({4}).requires_grad_(true);
  const at::Tensor y = long_conv(u, k, {.skip = d});
  EXPECT_EQ(y.sizes(), u.sizes());
  y.sum().backward();
  EXPECT_EQ(u.grad().sizes(), u.sizes());
  EXPECT_EQ(k.grad().abs().max().item<float>(), 0);
  EXPECT_EQ(d.grad().abs().max().item<float>(), 0);
}

TEST(LongConvOp, ComputesAsExactlyAsAsked) {
  Inputs x = random_inputs(16, 128, 5);
  x.future = at::zeros({5, 1});
  x.pre = x.post = at::ones_like(x.u);
  const at::Tensor expected = composed(in_double(x)).detach();
  LongConvExtras extras{.future = x.future, .skip = x.skip};
  for (const auto& [precision, tolerance] : {std::pair{LongConvPrecision::float32, 3e-6},
                                             {LongConvPrecision::bf16x3, 3e-5},
                                             {LongConvPrecision::bf16, 2e-2}}) {
    extras.precision = precision;
    EXPECT_LT(relative_error(long_conv(x.u, x.past, extras), expected), tolerance);
  }
}

/// Prepared kernels are kept from call to call, but not when their numbers change, however that came about.
TEST(LongConvOp, SeesKernelsThatChange) {
  Inputs x = random_inputs(2, 40, 3);
  const auto same = [](const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>() == 0; };
  const at::Tensor first = ours(x);
  EXPECT_TRUE(same(ours(x), first));
  x.past.mutable_data_ptr<float>()[41] += 1.0F;  // not seen by versions of tensors
  EXPECT_LT(relative_error(ours(x), composed(in_double(x)).detach()), 1e-5);
  x.skip.mutable_data_ptr<float>()[2] = 0.0F;
  EXPECT_LT(relative_error(ours(x), composed(in_double(x)).detach()), 1e-5);
  x.future.mutable_data_ptr<float>()[5] = 3.0F;
  EXPECT_LT(relative_error(ours(x), composed(in_double(x)).detach()), 1e-5);
  EXPECT_FALSE(same(ours(x), first));
}

TEST(LongConvOp, SaysWhatDoesNotFit) {
  const at::Tensor u = at::randn({2, 9, 3}), k = at::randn({3, 9});
  EXPECT_THROW(long_conv(u[0], k), c10::Error);
  EXPECT_THROW(long_conv(u, at::randn({2, 9})), c10::Error);
  EXPECT_THROW(long_conv(u.to(at::kDouble), k), c10::Error);
  EXPECT_THROW(long_conv(u, k, {.skip = at::randn({2})}), c10::Error);
  EXPECT_THROW(long_conv(u, k, {.pre = at::randn({2, 8, 3})}), c10::Error);
  const at::Tensor leaf = u.clone().requires_grad_(true);
  EXPECT_THROW(long_conv(leaf, k).sum().backward({}, true, /*create_graph=*/true), c10::Error);
}

TEST(LongConvOp, KeepsAThirdOfTheMemoryOrLessForItsGradient) {
  const at::Tensor u = at::randn({8, 512, 32}).requires_grad_(true), k = at::randn({32, 512}).requires_grad_(true);
  const at::Tensor d = at::randn({32}).requires_grad_(true);
  const at::Tensor pre = at::randn({8, 512, 32}).requires_grad_(true), post = at::randn({8, 512, 32});
  const auto convolved = [&](const at::Tensor& v) {
    return at::fft_irfft(at::fft_rfft(v, 1024, 1) * at::fft_rfft(k, 1024, 1).t(), 1024, 1).narrow(1, 0, 512) + v * d;
  };
  const std::int64_t of_ours = bytes_kept_by([&] { return long_conv(u, k, {.skip = d}); });
  EXPECT_EQ(of_ours, static_cast<std::int64_t>(u.nbytes()));  // the result alone
  EXPECT_LE(3 * of_ours, bytes_kept_by([&] { return convolved(u); }));
  const std::int64_t of_gated = bytes_kept_by([&] { return long_conv(u, k, {.skip = d, .pre = pre, .post = post}); });
  EXPECT_EQ(of_gated, static_cast<std::int64_t>(u.nbytes()));
  EXPECT_LE(3 * of_gated, bytes_kept_by([&] { return post * convolved(pre * u); }));
}

}  // namespace
}  // namespace noema
