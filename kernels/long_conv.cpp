#include "noema/kernels/long_conv.h"

#include <algorithm>
#include <string>
#include <vector>

#include "noema/core/error.h"
#include "noema/kernels/cpu/aligned.h"
#include "noema/kernels/cpu/loops.h"
#include "noema/kernels/cpu/method.h"
#include "noema/kernels/cpu/rows.h"

namespace noema {
namespace {

using cpu::AlignedFloats;
using cpu::Group;
using cpu::Rows;

/// Rows in memory as such are handed on this many at a time, so that a method can fetch ahead.
constexpr std::int64_t kRowsTogether = 16;

LongConvSizes clipped(LongConvSizes sizes) {
  sizes.past = std::min(sizes.past, sizes.length);
  sizes.future = std::min(sizes.future, sizes.length - 1);
  return sizes;
}

bool tiles_can(const LongConvChoice& choice) {
  return choice.level == SimdLevel::amx && choice.precision != LongConvPrecision::float32;
}

LongConvMethod best_method(const LongConvSizes& sizes, const LongConvChoice& choice) {
  LongConvMethod best = LongConvMethod::transform;
  double least = cpu::transform_row_cost(sizes, /*in_stretches=*/false);
  const auto consider = [&](LongConvMethod method, double cost) {
    if (cost >= least) return;
    best = method;
    least = cost;
  };
  consider(LongConvMethod::overlap_save, cpu::transform_row_cost(sizes, /*in_stretches=*/true));
  consider(LongConvMethod::direct, cpu::direct_row_cost(sizes));
  if (tiles_can(choice)) {
    consider(LongConvMethod::toeplitz, cpu::toeplitz_row_cost(sizes, choice.precision == LongConvPrecision::bf16x3));
  }
  return best;
}

std::unique_ptr<const cpu::Method> make_method(const LongConvSizes& sizes, LongConvMethod method,
                                               const LongConvChoice& choice) {
  if (choice.level > highest_simd_level()) {  // finding that out also asks the system for tiles
    throw UsageError("level " + std::string(name_of(choice.level)) +
                     " was asked for, but the highest of this machine is " +
                     std::string(name_of(highest_simd_level())));
  }
  switch (method) {
    case LongConvMethod::direct:
      return cpu::direct_method(sizes, choice.level);
    case LongConvMethod::transform:
      return cpu::transform_method(sizes, /*in_stretches=*/false, choice.level);
    case LongConvMethod::overlap_save:
      return cpu::transform_method(sizes, /*in_stretches=*/true, choice.level);
    case LongConvMethod::toeplitz:
      break;
  }
#if defined(__x86_64__)
  if (tiles_can(choice)) {
    return cpu::toeplitz_method(sizes, choice.precision == LongConvPrecision::bf16x3, choice.level);
  }
#endif
  throw UsageError("the method toeplitz was asked for at level " + std::string(name_of(choice.level)) +
                   (choice.precision == LongConvPrecision::float32 ? " in float32" : "") +
                   "; it needs a processor with AMX and a precision of bf16x3 or bf16");
}

std::int64_t aligned(std::int64_t floats) { return (floats + 15) / 16 * 16; }

}  // namespace

struct LongConvPlan::State {
  LongConvSizes asked, sizes;
  SimdLevel level;
  LongConvMethod method;
  std::unique_ptr<const cpu::Method> work;

  State(const LongConvSizes& wanted, const LongConvChoice& choice)
      : asked(wanted),
        sizes(clipped(wanted)),
        level(choice.level),
        method(choice.method.value_or(best_method(sizes, choice))),
        work(make_method(sizes, method, choice)) {}

  const cpu::RowLoops& loops() const { return cpu::loops_of(level).rows; }
  /// The skip term can be as large as all taps together, and rounding in a transform is relative to their norm: it is
  /// added by itself. Its weight stands behind the prepared kernel.
  bool skips_apart() const { return method == LongConvMethod::transform || method == LongConvMethod::overlap_save; }
  float skip_of(const float* prepared) const { return skips_apart() ? prepared[work->prepared_floats()] : 0.0F; }
  std::int64_t tap_count() const { return sizes.past + sizes.future; }
};

namespace {

/// Memory for some rows that are neither given nor asked for.
class ScratchRows {
 public:
  ScratchRows(std::int64_t count, std::int64_t length)
      : pitch_(aligned(length)), rows_(cpu::aligned_floats(count * pitch_)) {}
  float* row(std::int64_t i) const { return rows_.get() + i * pitch_; }

 private:
  std::int64_t pitch_;
  AlignedFloats rows_;
};

/// to ← to + skip·from, of some rows.
auto skip_adder(const cpu::RowLoops& loops, std::int64_t length) {
  return [&loops, length](const float* const* from, float skip, std::int64_t rows, float* const* to) {
    if (skip == 0.0F) return;
    for (std::int64_t i = 0; i < rows; ++i) loops.add_scaled(from[i], skip, length, to[i]);
  };
}

/// Calls `body` for all items and the channels of a range, in groups.
template <class Body>
void for_groups(const LongConvSizes& sizes, ChannelRange channels, bool in_place, std::int64_t items_together,
                const Body& body) {
  const std::int64_t channels_together = in_place ? 1 : Rows<float>::kChannelsTogether;
  if (in_place) items_together = std::max(items_together, kRowsTogether);
  for (std::int64_t c = channels.begin; c < channels.end; c += channels_together) {
    const ChannelRange some{c, std::min(c + channels_together, channels.end)};
    for (std::int64_t b = 0; b < sizes.batch; b += items_together) {
      body(Group{{b, std::min(b + items_together, sizes.batch)}, some});
    }
  }
}

}  // namespace

LongConvPlan::LongConvPlan(const LongConvSizes& sizes, const LongConvChoice& choice)
    : state_(std::make_unique<const State>(sizes, choice)) {}
LongConvPlan::~LongConvPlan() = default;
LongConvPlan::LongConvPlan(LongConvPlan&&) noexcept = default;
LongConvPlan& LongConvPlan::operator=(LongConvPlan&&) noexcept = default;

LongConvMethod LongConvPlan::method() const { return state_->method; }
SimdLevel LongConvPlan::level() const { return state_->level; }
double LongConvPlan::row_flops() const { return state_->work->row_flops(); }
std::int64_t LongConvPlan::prepared_floats() const { return aligned(state_->work->prepared_floats() + 1); }

void LongConvPlan::prepare(const Taps<const float>& taps, ChannelRange channels, float* prepared) const {
  const State& s = *state_;
  const AlignedFloats work = cpu::aligned_floats(s.work->work_floats());
  std::vector<float> by_lag(static_cast<std::size_t>(s.tap_count()));
  const std::int64_t zero = s.sizes.future;
  for (std::int64_t c = channels.begin; c < channels.end; ++c) {
    std::copy_n(taps.past + c * taps.past_pitch, s.sizes.past, by_lag.data() + zero);
    for (std::int64_t i = 0; i < s.sizes.future; ++i) {
      by_lag[zero - 1 - i] = taps.future[c * taps.future_pitch + i * taps.future_step];
    }
    const float skip = taps.skip == nullptr ? 0.0F : taps.skip[c];
    float* there = prepared + c * prepared_floats();
    if (s.skips_apart()) {
      there[s.work->prepared_floats()] = skip;
    } else {
      by_lag[zero] += skip;
    }
    s.work->prepare(by_lag.data(), there, work.get());
  }
}

void LongConvPlan::forward(const LongConvForward& series, const float* prepared, ChannelRange channels) const {
  const State& s = *state_;
  const std::int64_t length = s.sizes.length;
  Rows u(series.u, length, s.loops()), pre(series.pre, length, s.loops()), post(series.post, length, s.loops());
  Rows y(series.y, length, s.loops());
  const bool in_place = u.in_place() && pre.in_place() && post.in_place() && y.in_place();
  const AlignedFloats work = cpu::aligned_floats(s.work->work_floats());
  const bool gated = series.pre.data != nullptr;
  const ScratchRows scratch(gated ? kRowsTogether : 0, length);
  const float* vs[kRowsTogether];
  float* ys[kRowsTogether];

  const auto add_skip = skip_adder(s.loops(), length);

  for_groups(s.sizes, channels, in_place, s.work->items_together(), [&](const Group& group) {
    for (auto* given : {&u, &pre, &post}) given->read(group);
    y.move_to(group);
    const auto [first, end] = group.items;
    for (std::int64_t c = group.channels.begin; c < group.channels.end; ++c) {
      for (std::int64_t b = first; b < end; ++b) {
        vs[b - first] = gated ? scratch.row(b - first) : u.row(b, c);
        ys[b - first] = y.row(b, c);
        if (gated) s.loops().multiply(u.row(b, c), pre.row(b, c), length, scratch.row(b - first));
      }
      const std::int64_t next_v = gated || !in_place ? 0 : series.u.channel_pitch;
      const std::int64_t next_y = in_place ? series.y.channel_pitch : 0;
      const float* kernel = prepared + c * prepared_floats();
      s.work->forward({end - first, vs, ys, next_v, next_y}, kernel, work.get());
      add_skip(vs, s.skip_of(kernel), end - first, ys);
      if (series.post.data == nullptr) continue;
      for (std::int64_t b = first; b < end; ++b) {
        s.loops().multiply(y.row(b, c), post.row(b, c), length, y.row(b, c));
      }
    }
    y.write();
  });
}

void LongConvPlan::backward(const LongConvBackward& series, const float* prepared, ChannelRange channels) const {
  const State& s = *state_;
  const std::int64_t length = s.sizes.length, sum_floats = aligned(s.work->sum_floats());
  Rows u(series.u, length, s.loops()), pre(series.pre, length, s.loops()), post(series.post, length, s.loops());
  Rows dy(series.dy, length, s.loops());
  Rows du(series.du, length, s.loops()), dpre(series.dpre, length, s.loops()), dpost(series.dpost, length, s.loops());
  const bool in_place = u.in_place() && pre.in_place() && post.in_place() && dy.in_place() && du.in_place() &&
                        dpre.in_place() && dpost.in_place();
  const bool pre_gated = series.pre.data != nullptr, post_gated = series.post.data != nullptr;
  const AlignedFloats work = cpu::aligned_floats(s.work->work_floats());
  const AlignedFloats sums = cpu::aligned_floats(sum_floats * (in_place ? 1 : Rows<float>::kChannelsTogether));
  const ScratchRows v_rows(pre_gated ? kRowsTogether : 0, length), dc_rows(post_gated ? kRowsTogether : 0, length);
  const float *vs[kRowsTogether], *dcs[kRowsTogether];
  float *dvs[kRowsTogether], *convolved[kRowsTogether];

  const auto add_skip = skip_adder(s.loops(), length);

  for_groups(s.sizes, channels, in_place, s.work->items_together(), [&](const Group& group) {
    for (auto* given : {&u, &pre, &post, &dy}) given->read(group);
    for (auto* result : {&du, &dpre, &dpost}) result->move_to(group);
    const auto [first, end] = group.items;
    for (std::int64_t c = group.channels.begin; c < group.channels.end; ++c) {
      float* sum = sums.get() + (c - group.channels.begin) * sum_floats;
      const float* kernel = prepared + c * prepared_floats();
      if (first == 0) std::fill_n(sum, sum_floats, 0.0F);
      for (std::int64_t b = first; b < end; ++b) {
        vs[b - first] = pre_gated ? v_rows.row(b - first) : u.row(b, c);
        dcs[b - first] = post_gated ? dc_rows.row(b - first) : dy.row(b, c);
        dvs[b - first] = du.row(b, c);
        if (pre_gated) s.loops().multiply(u.row(b, c), pre.row(b, c), length, v_rows.row(b - first));
      }
      if (post_gated) {  // the convolution again, for the gradient of its gate
        for (std::int64_t b = first; b < end; ++b) convolved[b - first] = dpost.row(b, c);
        s.work->forward({end - first, vs, convolved}, kernel, work.get());
        add_skip(vs, s.skip_of(kernel), end - first, convolved);
        for (std::int64_t b = first; b < end; ++b) {
          s.loops().multiply(dpost.row(b, c), dy.row(b, c), length, dpost.row(b, c));
          s.loops().multiply(dy.row(b, c), post.row(b, c), length, dc_rows.row(b - first));
        }
      }
      s.work->backward({end - first, vs, dcs, dvs}, kernel, sum, work.get());
      add_skip(dcs, s.skip_of(kernel), end - first, dvs);
      if (pre_gated) {
        for (std::int64_t b = first; b < end; ++b) {
          s.loops().multiply(du.row(b, c), u.row(b, c), length, dpre.row(b, c));
          s.loops().multiply(du.row(b, c), pre.row(b, c), length, du.row(b, c));
        }
      }
      if (end == s.sizes.batch && series.dk.past != nullptr) write_gradient(series.dk, c, sum, work.get());
    }
    for (auto* result : {&du, &dpre, &dpost}) result->write();
  });
}

void LongConvPlan::write_gradient(const Taps<float>& dk, std::int64_t c, float* sum, float* work) const {
  const State& s = *state_;
  std::vector<float> by_lag(static_cast<std::size_t>(s.tap_count()));
  s.work->gradient(sum, by_lag.data(), work);
  const std::int64_t zero = s.sizes.future;
  float* past = dk.past + c * dk.past_pitch;
  std::fill(std::copy_n(by_lag.data() + zero, s.sizes.past, past), past + s.asked.past, 0.0F);
  for (std::int64_t i = 0; i < s.asked.future; ++i) {
    dk.future[c * dk.future_pitch + i * dk.future_step] = i < s.sizes.future ? by_lag[zero - 1 - i] : 0.0F;
  }
  if (dk.skip != nullptr) dk.skip[c] = by_lag[zero];
}

}  // namespace noema
