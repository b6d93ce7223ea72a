#include "libtorch_errors.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/fft_irfft.h>
#include <ATen/ops/fft_rfft.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <optional>

namespace noema {
namespace {

at::Tensor leaf(const std::vector<float>& values, at::IntArrayRef shape, at::IntArrayRef strides) {
  return at::from_blob(const_cast<float*>(values.data()), shape, strides).clone().requires_grad_(true);
}
at::Tensor series(const Case& c, const std::vector<float>& values) {
  const LongConvSizes& s = c.sizes;
  const std::int64_t item = s.channels * s.length;
  if (c.channels_last) return leaf(values, {s.batch, s.channels, s.length}, {item, 1, s.channels});
  return leaf(values, {s.batch, s.channels, s.length}, {item, s.length, 1});
}
std::vector<float> values_of(const at::Tensor& x, bool channels_last) {
  const at::Tensor ordered = (x.dim() == 3 && channels_last ? x.transpose(1, 2) : x).contiguous();
  return {ordered.const_data_ptr<float>(), ordered.const_data_ptr<float>() + ordered.numel()};
}

template <class Value>
std::vector<Value> joined(std::vector<Value> a, const std::vector<Value>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

}  // namespace

Errors libtorch_errors(const Case& c, const Expected& expected) {
  const LongConvSizes& s = c.sizes;
  const at::Tensor u = series(c, c.u), pre = series(c, c.pre), post = series(c, c.post);
  const at::Tensor past = leaf(c.past, {s.channels, s.past}, {s.past, 1});
  const at::Tensor future = leaf(c.future, {s.channels, s.future}, {s.future, 1});
  const at::Tensor skip = leaf(c.skip, {s.channels, 1}, {1, 1});
  const std::int64_t pasts = std::min(s.past, s.length), futures = std::min(s.future, s.length - 1);
  std::int64_t circle = 2 * s.length;
  while ((circle & (circle - 1)) != 0) ++circle;
  const at::Tensor kernel = at::cat({past.narrow(1, 0, pasts), at::zeros({s.channels, circle - pasts - futures}),
                                     future.narrow(1, 0, futures).flip(1)},
                                    1);
  const at::Tensor v = c.gates ? u * pre : u;
  at::Tensor y = at::fft_irfft(at::fft_rfft(v, circle) * at::fft_rfft(kernel, circle), circle).narrow(2, 0, s.length);
  if (c.skips) y = y + skip * v;
  if (c.gates) y = y * post;
  y.backward(series(c, c.dy).detach());
  const auto error = [&](const at::Tensor& x, const std::vector<double>& to) {
    return x.defined() && !to.empty() ? relative_error(values_of(x, c.channels_last), to) : 0.0;
  };
  const std::vector<float> dskip = c.skips ? values_of(skip.grad(), false) : std::vector<float>{};
  return {error(y.detach(), expected.y),
          error(u.grad(), expected.du),
          error(pre.grad(), expected.dpre),
          error(post.grad(), expected.dpost),
          relative_error(joined(values_of(past.grad(), false), dskip),
                         joined(expected.dpast, c.skips ? expected.dskip : std::vector<double>{})),
          error(future.grad(), expected.dfuture)};
}

void expect_near(const std::string& what, const Case& found, const Expected& expected, double tolerance) {
  std::optional<Errors> theirs;  // where it is needed
  const auto check = [&](const char* name, const std::vector<float>& values, const std::vector<double>& exact,
                         double Errors::*their_error) {
    if (exact.empty()) return;
    const double error = relative_error(values, exact);
    if (error <= tolerance) return;
    if (!theirs) theirs = libtorch_errors(found, expected);
    EXPECT_LE(error, 2 * (*theirs).*their_error) << name << " of " << what << ", twice LibTorch's error";
  };
  check("y", found.y, expected.y, &Errors::y);
  check("du", found.du, expected.du, &Errors::du);
  const bool skips = found.skips;
  check("dpast and dskip", joined(found.dpast, skips ? found.dskip : std::vector<float>{}),
        joined(expected.dpast, skips ? expected.dskip : std::vector<double>{}), &Errors::dpast);
  check("dfuture", found.dfuture, expected.dfuture, &Errors::dfuture);
  if (!found.gates) return;
  check("dpre", found.dpre, expected.dpre, &Errors::dpre);
  check("dpost", found.dpost, expected.dpost, &Errors::dpost);
}

}  // namespace noema
