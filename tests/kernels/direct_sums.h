// tests/kernels/direct_sums: a convolution with all that goes into it, and the sums in double precision that results
// are held against.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "made_up.h"
#include "noema/kernels/cpu/aligned.h"
#include "noema/kernels/long_conv.h"

namespace noema {

/// All that goes into a convolution and its backward pass, (B, C, T) or (B, T, C), with room for all that comes out.
struct Case {
  LongConvSizes sizes;
  bool channels_last = false, skips = true, gates = false;
  double offset = 0;
  std::vector<float> u, pre, post, dy, past, future, skip;
  std::vector<float> y, du, dpre, dpost, dpast, dfuture, dskip;

  explicit Case(const LongConvSizes& s, double mean = 0) : sizes(s), offset(mean) {
    const std::int64_t count = s.batch * s.channels * s.length;
    const double scale = 1 / std::sqrt(static_cast<double>(std::min(s.past + s.future, s.length)));
    u = normal(count, 1, 1, mean);
    pre = uniform(count, 2);
    post = uniform(count, 3);
    dy = normal(count, 4);
    past = normal(s.channels * s.past, 5, scale);
    future = normal(s.channels * s.future, 6, scale);
    skip = normal(s.channels, 7);
    for (auto* out : {&y, &du, &dpre, &dpost}) out->assign(u.size(), NAN);
    dpast.assign(past.size(), NAN);
    dfuture.assign(future.size(), NAN);
    dskip.assign(skip.size(), NAN);
  }

  template <class Value, class Values>
  Series3<Value> series(Values& values) const {
    if (channels_last) return {values.data(), sizes.channels * sizes.length, 1, sizes.channels};
    return {values.data(), sizes.channels * sizes.length, sizes.length, 1};
  }
  LongConvForward forward() {
    LongConvForward f{series<const float>(u), {}, {}, series<float>(y)};
    if (gates) f.pre = series<const float>(pre), f.post = series<const float>(post);
    return f;
  }
  LongConvBackward backward() {
    LongConvBackward b{.u = series<const float>(u), .dy = series<const float>(dy), .du = series<float>(du)};
    if (gates) {
      b.pre = series<const float>(pre), b.post = series<const float>(post);
      b.dpre = series<float>(dpre), b.dpost = series<float>(dpost);
    }
    b.dk = {dpast.data(), sizes.past, dfuture.data(), sizes.future, 1, skips ? dskip.data() : nullptr};
    return b;
  }
  Taps<const float> taps() const {
    return {past.data(), sizes.past, future.data(), sizes.future, 1, skips ? skip.data() : nullptr};
  }
  void run(const LongConvPlan& plan, std::int64_t split) {
    const cpu::AlignedFloats prepared = cpu::aligned_floats(plan.prepared_floats() * sizes.channels);
    for (const ChannelRange part : {ChannelRange{0, split}, ChannelRange{split, sizes.channels}}) {
      plan.prepare(taps(), part, prepared.get());
      plan.forward(forward(), prepared.get(), part);
      plan.backward(backward(), prepared.get(), part);
    }
  }
  void run(const LongConvPlan& plan) { run(plan, sizes.channels / 2); }

  std::size_t at(std::int64_t b, std::int64_t c, std::int64_t t) const {
    return static_cast<std::size_t>(channels_last ? (b * sizes.length + t) * sizes.channels + c
                                                  : (b * sizes.channels + c) * sizes.length + t);
  }
  double tap(std::int64_t c, std::int64_t lag) const {
    const double more = lag == 0 && skips ? skip[c] : 0.0;
    return lag >= 0 ? past[c * sizes.past + lag] + more : future[c * sizes.future - 1 - lag];
  }
};

struct Expected {
  std::vector<double> y, du, dpre, dpost, dpast, dfuture, dskip;
};

/// The sums as they are written, in double precision, over `lags` alone, where all other taps are zero; of all lags
/// when empty. Gradients of other taps stay zero.
inline Expected direct(const Case& c, std::vector<std::int64_t> lags = {}) {
  const LongConvSizes& s = c.sizes;
  Expected e;
  for (auto* out : {&e.y, &e.du, &e.dpre, &e.dpost}) out->assign(c.u.size(), 0);
  e.dpast.assign(c.past.size(), 0);
  e.dfuture.assign(c.future.size(), 0);
  e.dskip.assign(c.skip.size(), 0);
  const auto T = static_cast<std::size_t>(s.length);
  if (lags.empty()) {
    for (std::int64_t lag = -std::min(s.future, s.length - 1); lag < std::min(s.past, s.length); ++lag)
      lags.push_back(lag);
  }
  std::vector<double> v(T), dc(T), conv(T), dv(T);
  for (std::int64_t b = 0; b < s.batch; ++b) {
    for (std::int64_t ch = 0; ch < s.channels; ++ch) {
      for (std::int64_t t = 0; t < s.length; ++t) {
        const std::size_t i = c.at(b, ch, t);
        v[t] = static_cast<double>(c.u[i]) * (c.gates ? c.pre[i] : 1.0F);
        dc[t] = static_cast<double>(c.dy[i]) * (c.gates ? c.post[i] : 1.0F);
      }
      std::fill(conv.begin(), conv.end(), 0.0);
      std::fill(dv.begin(), dv.end(), 0.0);
      for (const std::int64_t lag : lags) {
        const double k = c.tap(ch, lag);
        double dk = 0;
        for (std::int64_t t = std::max<std::int64_t>(lag, 0); t < std::min(s.length, s.length + lag); ++t) {
          conv[t] += k * v[t - lag];
          dv[t - lag] += k * dc[t];
          dk += dc[t] * v[t - lag];
        }
        (lag >= 0 ? e.dpast[ch * s.past + lag] : e.dfuture[ch * s.future - 1 - lag]) += dk;
        if (lag == 0) e.dskip[ch] += dk;
      }
      for (std::int64_t t = 0; t < s.length; ++t) {
        const std::size_t i = c.at(b, ch, t);
        e.y[i] = conv[t] * (c.gates ? c.post[i] : 1.0F);
        e.dpost[i] = conv[t] * c.dy[i];
        e.du[i] = dv[t] * (c.gates ? c.pre[i] : 1.0F);
        e.dpre[i] = dv[t] * c.u[i];
      }
    }
  }
  return e;
}

}  // namespace noema
