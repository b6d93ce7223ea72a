// kernels/op_arguments: the arguments of the operator as the loops take them; for the operator's own files.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros_like.h>

#include <cstdint>
#include <optional>
#include <tuple>

#include "noema/kernels/long_conv.h"

namespace noema::op {

using MaybeTensor = std::optional<at::Tensor>;
/// Of u, past, future, skip, pre, post; undefined where that was not given.
using Gradients = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor>;

inline Series3<const float> read(const at::Tensor& x) {
  return {x.const_data_ptr<float>(), x.stride(0), x.stride(2), x.stride(1)};
}
inline Series3<const float> read(const MaybeTensor& x) { return x ? read(*x) : Series3<const float>{}; }
inline Series3<float> write(const at::Tensor& x) {
  if (!x.defined()) return {};
  return {x.mutable_data_ptr<float>(), x.stride(0), x.stride(2), x.stride(1)};
}

/// Everything that is given, the kernel's tensors contiguous.
struct Arguments {
  at::Tensor u, past, future, skip;
  MaybeTensor pre, post;

  Arguments(const at::Tensor& series, const at::Tensor& k, const MaybeTensor& f, const MaybeTensor& d,
            const MaybeTensor& before, const MaybeTensor& behind)
      : u(series),
        past(k.contiguous()),
        future(f ? f->contiguous() : at::Tensor()),
        skip(d ? d->contiguous() : at::Tensor()),
        pre(before),
        post(behind) {}

  LongConvSizes sizes() const {
    return {u.size(0), u.size(2), u.size(1), past.size(1), future.defined() ? future.size(1) : 0};
  }
  Taps<const float> taps() const {
    return {.past = past.const_data_ptr<float>(),
            .past_pitch = past.size(1),
            .future = future.defined() ? future.const_data_ptr<float>() : nullptr,
            .future_pitch = future.defined() ? future.size(1) : 0,
            .future_step = 1,
            .skip = skip.defined() ? skip.const_data_ptr<float>() : nullptr};
  }
  LongConvForward forward(const at::Tensor& y) const { return {read(u), read(pre), read(post), write(y)}; }

  Gradients empty_gradients() const {
    return gradients_by([](const at::Tensor& x) { return at::empty_like(x); });
  }
  /// Those of an empty batch.
  Gradients zero_gradients() const {
    return gradients_by([](const at::Tensor& x) { return at::zeros_like(x); });
  }
  LongConvBackward backward(const at::Tensor& dy, const Gradients& gradients) const {
    const auto& [du, dpast, dfuture, dskip, dpre, dpost] = gradients;
    const auto data = [](const at::Tensor& x) { return x.defined() ? x.mutable_data_ptr<float>() : nullptr; };
    return {.u = read(u),
            .pre = read(pre),
            .post = read(post),
            .dy = read(dy),
            .du = write(du),
            .dpre = write(dpre),
            .dpost = write(dpost),
            .dk = {data(dpast), past.size(1), data(dfuture), future.defined() ? future.size(1) : 0, 1, data(dskip)}};
  }

 private:
  template <class Make>
  Gradients gradients_by(const Make& make) const {
    const auto of = [&](const at::Tensor& x) { return x.defined() ? make(x) : at::Tensor(); };
    return {of(u), of(past), of(future), of(skip), of(pre.value_or(at::Tensor())), of(post.value_or(at::Tensor()))};
  }
};

}  // namespace noema::op
