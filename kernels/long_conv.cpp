#include "noema/kernels/long_conv.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "noema/kernels/cpu/aligned.h"
#include "noema/kernels/cpu/rows.h"
#include "noema/kernels/cpu/transform_plan.h"

namespace noema {
namespace {

using cpu::AlignedFloats;
using cpu::Rows;
using cpu::Stretch;

/// How a row is cut: stretches of `fresh` values, each computed from the 2M values that begin `before` earlier.
struct Cut {
  std::int64_t length;  // M
  std::int64_t fresh;
  std::int64_t before;
  std::int64_t stretches;

  double cost() const { return cpu::transform_cost(length) * static_cast<double>(stretches); }
};

/// Lags beyond the circle's reach must not fall upon values that are kept.
Cut whole(const LongConvSizes& sizes) {
  const std::int64_t reach = std::max(sizes.past - 1, sizes.future);
  return {cpu::transform_length(sizes.length + reach), sizes.length, 0, 1};
}

Cut in_stretches(const LongConvSizes& sizes) {
  const std::int64_t reach = sizes.past - 1 + sizes.future;
  std::optional<Cut> best;
  for (std::int64_t wanted = reach + 1; !best || wanted <= 16 * reach; wanted += wanted / 4 + 1) {
    const std::int64_t length = cpu::transform_length(reach + wanted);
    const std::int64_t fresh = 2 * length - reach;
    const Cut cut{length, fresh, sizes.past - 1, (sizes.length + fresh - 1) / fresh};
    if (!best || cut.cost() < best->cost()) best = cut;
  }
  return *best;
}

LongConvSizes clipped(LongConvSizes sizes) {
  sizes.past = std::min(sizes.past, sizes.length);
  sizes.future = std::min(sizes.future, sizes.length - 1);
  return sizes;
}

LongConvMethod best_method(const LongConvSizes& sizes) {
  const LongConvSizes used = clipped(sizes);
  return in_stretches(used).cost() < whole(used).cost() ? LongConvMethod::overlap_save : LongConvMethod::transform;
}

}  // namespace

struct LongConvPlan::State {
  LongConvSizes asked, sizes;
  SimdLevel level;
  LongConvMethod method;
  Cut cut;
  cpu::TransformPlan transform;

  State(const LongConvSizes& wanted, LongConvMethod how, SimdLevel with)
      : asked(wanted),
        sizes(clipped(wanted)),
        level(with),
        method(how),
        cut(how == LongConvMethod::transform ? whole(sizes) : in_stretches(sizes)),
        transform(cut.length, with) {}

  const cpu::TransformLoops& loops() const { return transform.loops(); }
  const cpu::TransformTables& tables() const { return transform.tables(); }
  /// The imaginary parts of a packed row are zero.
  bool rows_are_short() const { return cut.stretches == 1 && cut.before == 0 && sizes.length <= cut.length; }
  /// The values that stretch i reads.
  Stretch read(std::int64_t i) const { return {i * cut.fresh - cut.before, 0, sizes.length}; }
  /// The values that stretch i owns.
  Stretch owned(std::int64_t i) const {
    return {i * cut.fresh - cut.before, i * cut.fresh, std::min(sizes.length, (i + 1) * cut.fresh)};
  }
};

namespace {

/// One row after the other, with the memory for that.
template <class State>
class RowWork {
 public:
  explicit RowWork(const State& state)
      : s_(state),
        x_(cpu::aligned_floats(state.transform.floats())),
        x2_(cpu::aligned_floats(state.transform.floats())),
        gated_(cpu::aligned_floats(state.sizes.length)),
        result_(cpu::aligned_floats(state.sizes.length)) {}

  struct Row {
    const float *u, *pre, *post;
    float* y;
    const float* next_u;
    float* next_y;
  };
  void forward(const Row& row, const float* spectrum) {
    convolve(gate(row.u, row.pre, gated_), row.next_u, spectrum, row.y, row.next_y);
    if (row.post != nullptr) multiply(row.y, row.post, row.y);
  }

  struct BackwardRow {
    const float *u, *pre, *post, *dy;
    float *du, *dpre, *dpost;
    const float *next_u, *next_dy;
    float* next_du;
  };
  void backward(const BackwardRow& row, const float* spectrum, float* sum) {
    const float* v = gate(row.u, row.pre, gated_);
    const float* dc = row.dy;
    if (row.post != nullptr) {
      convolve(v, nullptr, spectrum, result_.get(), nullptr);
      multiply(result_.get(), row.dy, row.dpost);
      multiply(row.dy, row.post, result_.get());
      dc = result_.get();
    }
    correlate(v, dc, row, spectrum, sum);
    if (row.pre == nullptr) return;
    multiply(row.du, row.u, row.dpre);
    multiply(row.du, row.pre, row.du);
  }

  /// The kernel's gradient from a channel's sum over its rows.
  void write_gradient(std::int64_t c, float* sum, const Taps<float>& dk) {
    const std::int64_t circle = s_.transform.floats();
    const float scale = 1.0F / static_cast<float>(s_.transform.length());
    s_.loops().synthesise(s_.tables(), sum);
    s_.loops().unpack(s_.tables(), sum, {0, 0, circle}, /*add=*/false, x_.get());
    for (std::int64_t i = 0; i < s_.asked.past; ++i) {
      dk.past[c * dk.past_pitch + i] = i < s_.sizes.past ? x_[i] * scale : 0.0F;
    }
    for (std::int64_t i = 0; i < s_.asked.future; ++i) {
      dk.future[c * dk.future_pitch + i * dk.future_step] = i < s_.sizes.future ? -x_[circle - 1 - i] * scale : 0.0F;
    }
    if (dk.skip != nullptr) dk.skip[c] = x_[0] * scale;
  }

 private:
  void multiply(const float* a, const float* b, float* out) const { s_.loops().multiply(a, b, s_.sizes.length, out); }
  const float* gate(const float* row, const float* gate, const AlignedFloats& out) const {
    if (gate == nullptr) return row;
    multiply(row, gate, out.get());
    return out.get();
  }

  void convolve(const float* v, const float* next_v, const float* spectrum, float* y, float* next_y) {
    const std::int64_t length = s_.sizes.length;
    if (s_.rows_are_short()) {
      s_.loops().convolve_short(s_.tables(), {v, length, next_v}, spectrum, {y, length, next_y}, x_.get());
      return;
    }
    for (std::int64_t i = 0; i < s_.cut.stretches; ++i) {
      s_.loops().pack(s_.tables(), v, s_.read(i), x_.get());
      s_.loops().convolve(s_.tables(), x_.get(), spectrum);
      s_.loops().unpack(s_.tables(), x_.get(), s_.owned(i), /*add=*/false, y);
    }
  }

  void correlate(const float* v, const float* dc, const BackwardRow& row, const float* spectrum, float* sum) {
    const std::int64_t length = s_.sizes.length;
    if (s_.rows_are_short()) {
      s_.loops().backward_short(s_.tables(), {v, length, row.next_u}, {dc, length, row.next_dy}, spectrum, sum,
                                {row.du, length, row.next_du}, x_.get(), x2_.get());
      return;
    }
    // What a stretch owns of dc goes back to all that it read, so stretches add.
    const bool add = s_.cut.stretches > 1;
    if (add) std::fill_n(row.du, length, 0.0F);
    for (std::int64_t i = 0; i < s_.cut.stretches; ++i) {
      s_.loops().pack(s_.tables(), v, s_.read(i), x2_.get());
      s_.loops().pack(s_.tables(), dc, s_.owned(i), x_.get());
      s_.loops().backward(s_.tables(), x2_.get(), x_.get(), spectrum, sum);
      s_.loops().unpack(s_.tables(), x_.get(), s_.read(i), add, row.du);
    }
  }

  const State& s_;
  AlignedFloats x_, x2_, gated_, result_;
};

/// Channels are worked on one by one where their rows lie in memory as such, otherwise several together.
template <class Body>
void for_channels(ChannelRange channels, bool one_by_one, const Body& body) {
  const std::int64_t step = one_by_one ? 1 : Rows<float>::kTogether;
  for (std::int64_t first = channels.begin; first < channels.end; first += step) {
    body(ChannelRange{first, std::min(first + step, channels.end)});
  }
}

template <class... Some>
bool all_in_place(const Some&... rows) {
  return (rows.in_place() && ...);
}

}  // namespace

LongConvPlan::LongConvPlan(const LongConvSizes& sizes, SimdLevel level)
    : LongConvPlan(sizes, best_method(sizes), level) {}
LongConvPlan::LongConvPlan(const LongConvSizes& sizes, LongConvMethod method, SimdLevel level)
    : state_(std::make_unique<const State>(sizes, method, level)) {}
LongConvPlan::~LongConvPlan() = default;
LongConvPlan::LongConvPlan(LongConvPlan&&) noexcept = default;
LongConvPlan& LongConvPlan::operator=(LongConvPlan&&) noexcept = default;

LongConvMethod LongConvPlan::method() const { return state_->method; }
SimdLevel LongConvPlan::level() const { return state_->level; }

double LongConvPlan::row_flops() const {
  const auto values = static_cast<double>(state_->cut.length);
  return static_cast<double>(state_->cut.stretches) * values * (10 * std::log2(values) + 6);
}

std::int64_t LongConvPlan::prepared_floats() const { return state_->transform.floats(); }

void LongConvPlan::prepare(const Taps<const float>& taps, ChannelRange channels, float* prepared) const {
  const State& s = *state_;
  const std::int64_t circle = s.transform.floats();
  const float scale = 1.0F / static_cast<float>(s.transform.length());
  const AlignedFloats row = cpu::aligned_floats(circle);
  for (std::int64_t c = channels.begin; c < channels.end; ++c) {
    std::fill_n(row.get(), circle, 0.0F);
    for (std::int64_t i = 0; i < s.sizes.past; ++i) row[i] = taps.past[c * taps.past_pitch + i] * scale;
    if (taps.skip != nullptr) row[0] += taps.skip[c] * scale;
    for (std::int64_t i = 0; i < s.sizes.future; ++i) {  // z^−n = −z^(2M − n)
      row[circle - 1 - i] = -taps.future[c * taps.future_pitch + i * taps.future_step] * scale;
    }
    s.loops().pack(s.tables(), row.get(), {0, 0, circle}, prepared + c * circle);
    s.loops().analyse(s.tables(), prepared + c * circle);
  }
}

void LongConvPlan::forward(const LongConvForward& series, const float* prepared, ChannelRange channels) const {
  const State& s = *state_;
  const std::int64_t length = s.sizes.length, batch = s.sizes.batch;
  Rows u(series.u, length, s.loops()), pre(series.pre, length, s.loops()), post(series.post, length, s.loops());
  Rows y(series.y, length, s.loops());
  RowWork work(s);
  for_channels(channels, all_in_place(u, pre, post, y), [&](ChannelRange some) {
    y.begin(some);
    for (std::int64_t b = 0; b < batch; ++b) {
      u.gather(b, some);
      pre.gather(b, some);
      post.gather(b, some);
      for (std::int64_t c = some.begin; c < some.end; ++c) {
        work.forward({.u = u.row(b, c),
                      .pre = pre.row(b, c),
                      .post = post.row(b, c),
                      .y = y.row(b, c),
                      .next_u = u.next(b, batch, c),
                      .next_y = y.next(b, batch, c)},
                     prepared + c * s.transform.floats());
      }
      y.scatter(b, some);
    }
  });
}

void LongConvPlan::backward(const LongConvBackward& series, const float* prepared, ChannelRange channels) const {
  const State& s = *state_;
  const std::int64_t length = s.sizes.length, batch = s.sizes.batch, floats = s.transform.floats();
  Rows u(series.u, length, s.loops()), pre(series.pre, length, s.loops()), post(series.post, length, s.loops());
  Rows dy(series.dy, length, s.loops());
  Rows du(series.du, length, s.loops()), dpre(series.dpre, length, s.loops()), dpost(series.dpost, length, s.loops());
  RowWork work(s);
  const bool one_by_one = all_in_place(u, pre, post, dy, du, dpre, dpost);
  const AlignedFloats sums = cpu::aligned_floats(floats * (one_by_one ? 1 : Rows<float>::kTogether));

  for_channels(channels, one_by_one, [&](ChannelRange some) {
    for (auto* result : {&du, &dpre, &dpost}) result->begin(some);
    std::fill_n(sums.get(), floats * (some.end - some.begin), 0.0F);
    for (std::int64_t b = 0; b < batch; ++b) {
      for (auto* given : {&u, &pre, &post, &dy}) given->gather(b, some);
      for (std::int64_t c = some.begin; c < some.end; ++c) {
        work.backward({.u = u.row(b, c),
                       .pre = pre.row(b, c),
                       .post = post.row(b, c),
                       .dy = dy.row(b, c),
                       .du = du.row(b, c),
                       .dpre = dpre.row(b, c),
                       .dpost = dpost.row(b, c),
                       .next_u = u.next(b, batch, c),
                       .next_dy = dy.next(b, batch, c),
                       .next_du = du.next(b, batch, c)},
                      prepared + c * floats, sums.get() + (c - some.begin) * floats);
      }
      for (auto* result : {&du, &dpre, &dpost}) result->scatter(b, some);
    }
    if (series.dk.past == nullptr) return;
    for (std::int64_t c = some.begin; c < some.end; ++c) {
      work.write_gradient(c, sums.get() + (c - some.begin) * floats, series.dk);
    }
  });
}

}  // namespace noema
