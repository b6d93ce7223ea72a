// kernels/cuda/row_convolution: the long convolution by transforms in the memory of blocks: in one kernel where a row
// fits, else in three, of which the first and the last take each row apart into parts and put it together.
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "noema/kernels/cuda/geometry.h"
#include "noema/kernels/cuda/row_kernels.cuh"

namespace noema::cuda {
namespace {

/// The kernels of a convolution in their order, and their memory. `launch(kernel, geometry, arguments …)` runs one; it
/// is the stream of a GPU, or a test's.
class RowConvolution {
 public:
  /// Lags are such that each joins two values of a row, and the row fits.
  explicit RowConvolution(const LongConvSizes& asked, const LongConvSizes& sizes, const RowTransform& transform)
      : asked_(asked), sizes_(sizes), t_(transform) {}

  static std::int64_t real_values(const LongConvSizes& sizes) {
    return sizes.length + std::max(sizes.past - 1, sizes.future);
  }

  std::int64_t half() const { return static_cast<std::int64_t>(t_.size) * t_.outer; }
  /// Complex values of prepared kernels: spectra, behind them the weights of the skip terms, and 1.
  std::int64_t prepared_values() const { return sizes_.channels * half() + (sizes_.channels + 2) / 2; }
  /// Complex values of working memory; preparing and forward need the first.
  std::int64_t forward_values() const { return part_values(); }
  std::int64_t backward_values() const { return 2 * part_values() + runs() * channels_together() * half(); }

  template <class Launch>
  void prepare(const Launch& launch, const Taps<const float>& taps, Complex* spectrum, Complex* work) const {
    launch(copy_skip, Geometry{sizes_.channels / kThreads + 1, kThreads, 0}, taps, sizes_.channels,
           const_cast<float*>(skip_of(spectrum)));
    for_chunks([&](std::int64_t channel, std::int64_t channels) {
      const TapsSource source{from(taps, channel), static_cast<int>(sizes_.past), static_cast<int>(sizes_.future),
                              int_half(), 1.0F / static_cast<float>(half())};
      Complex* there = spectrum + channel * half();
      if (t_.outer == 1) return analyse(launch, source, channels, there);
      const PartsInMemory parts{work, 1, t_.outer, t_.size};
      split(launch, source, {channels, 1}, parts);
      analyse(launch, parts, channels, there);
    });
  }

  template <class Launch>
  void forward(const Launch& launch, const LongConvForward& s, const Complex* spectrum, Complex* work) const {
    with_ends(s.pre.data != nullptr || s.post.data != nullptr,
              [&](auto ends) { forward_between(ends, launch, s, spectrum, work); });
  }
  template <class Launch>
  void backward(const Launch& launch, const LongConvBackward& s, const Complex* spectrum, Complex* work) const {
    with_ends(s.pre.data != nullptr || s.post.data != nullptr,
              [&](auto ends) { backward_between(ends, launch, s, spectrum, work); });
  }

 private:
  static constexpr int kValuesOfAThread = 16, kThreads = 256;
  /// Of a block of short rows. Few, since they wait for each other; more where rows side by side share what is read.
  static constexpr int kRowThreads = 64, kInterleavedThreads = 256;
  /// Rows between kernels take no more than this at once, so that they stay in the second cache.
  static constexpr std::int64_t kValuesTogether = std::int64_t{2} << 20;

  template <class Body>
  void with_ends(bool gated, const Body& body) const {
    if (sizes_.length > half()) return body(Ends<false, true>());
    if (gated) return body(Ends<true, true>());
    body(Ends<true, false>());
  }
  /// Of the channels from `channel` on. `prepared`: the prepared kernels of all.
  template <class Ends>
  SeriesSource<Ends> source_of(const Series3<const float>& series, const Series3<const float>& gate,
                               const Complex* prepared, std::int64_t channel) const {
    return {from(series, channel), from(gate, channel), skip_of(prepared) + sizes_.channels,
            static_cast<int>(sizes_.length), int_half()};
  }

  template <class Ends, class Launch>
  void forward_between(Ends, const Launch& launch, const LongConvForward& s, const Complex* spectrum,
                       Complex* work) const {
    for_chunks([&](std::int64_t channel, std::int64_t channels) {
      const auto source = source_of<Ends>(s.u, s.pre, spectrum, channel);
      const SeriesSink<Ends> sink{from(s.y, channel),         from(s.post, channel), {}, {}, source,
                                  skip_of(spectrum) + channel};
      const Complex* there = spectrum + channel * half();
      if (t_.outer == 1) return convolve(launch, source, channels, there, sink);
      const PartsInMemory parts{work, sizes_.batch, t_.outer, t_.size};
      split(launch, source, {channels, sizes_.batch}, parts);
      convolve(launch, parts, channels, there, parts);
      join(launch, parts, {channels, sizes_.batch}, sink);
    });
  }
  template <class Ends, class Launch>
  void backward_between(Ends, const Launch& launch, const LongConvBackward& s, const Complex* spectrum,
                        Complex* work) const {
    const bool convolves = s.dpost.data != nullptr;
    for_chunks([&](std::int64_t channel, std::int64_t channels) {
      const auto u = source_of<Ends>(s.u, s.pre, spectrum, channel);
      const auto g = source_of<Ends>(s.dy, s.post, spectrum, channel);
      const float* skip = skip_of(spectrum) + channel;
      const SeriesSink<Ends> dv{
          from(s.du, channel), from(s.pre, channel), from(s.dpre, channel), from(s.u, channel), g, skip};
      const SeriesSink<Ends> convolved{from(s.dpost, channel), from(s.dy, channel), {}, {}, u, skip};
      const Complex* there = spectrum + channel * half();
      Complex* sums = work + 2 * part_values();
      if (t_.outer == 1) {
        correlate(launch, u, g, channels, there, sums, dv, convolved, convolves);
      } else {
        const PartsInMemory u_parts{work, sizes_.batch, t_.outer, t_.size};
        const PartsInMemory g_parts{work + part_values(), sizes_.batch, t_.outer, t_.size};
        const ColumnGrid grid{channels, sizes_.batch};
        split(launch, u, grid, u_parts);
        split(launch, g, grid, g_parts);
        correlate(launch, u_parts, g_parts, channels, there, sums, g_parts, u_parts, convolves);
        join(launch, g_parts, grid, dv);
        if (convolves) join(launch, u_parts, grid, convolved);
      }
      if (s.dk.past != nullptr) write_gradient(launch, from(s.dk, channel), channels, sums, work);
    });
  }

  template <class Value>
  static Series3<Value> from(Series3<Value> s, std::int64_t channel) {
    if (s.data != nullptr) s.data += channel * s.channel_pitch;
    return s;
  }
  template <class Value>
  static Taps<Value> from(Taps<Value> taps, std::int64_t channel) {
    taps.past += channel * taps.past_pitch;
    if (taps.future != nullptr) taps.future += channel * taps.future_pitch;
    if (taps.skip != nullptr) taps.skip += channel;
    return taps;
  }

  const float* skip_of(const Complex* prepared) const {
    return reinterpret_cast<const float*>(prepared + sizes_.channels * half());
  }
  std::int64_t channels_together() const {
    if (t_.outer == 1) return sizes_.channels;
    return std::clamp<std::int64_t>(kValuesTogether / (sizes_.batch * half()), 1, sizes_.channels);
  }
  std::int64_t part_values() const { return t_.outer == 1 ? 0 : channels_together() * sizes_.batch * half(); }
  template <class Body>
  void for_chunks(const Body& body) const {
    for (std::int64_t c = 0; c < sizes_.channels; c += channels_together()) {
      body(c, std::min(channels_together(), sizes_.channels - c));
    }
  }

  /// Into so many runs the items of a unit are cut: enough blocks for a large GPU, and no more than a quarter of the
  /// items, rounded up, for the sake of memory. By the sizes alone, so that sums do not vary from one GPU to another.
  ItemRuns item_runs() const {
    const std::int64_t blocks = std::max<std::int64_t>(1, sizes_.channels * t_.outer * row_threads() / kThreads);
    const std::int64_t wanted = std::clamp<std::int64_t>(1024 / blocks, 1, (sizes_.batch + 3) / 4);
    return {sizes_.batch, (sizes_.batch + wanted - 1) / wanted};
  }
  std::int64_t runs() const { return (sizes_.batch + item_runs().run - 1) / item_runs().run; }

  int int_half() const { return static_cast<int>(half()); }
  int row_threads() const { return t_.size / kValuesOfAThread; }
  RowGrid grid(std::int64_t channels, std::int64_t items, bool units_side_by_side = false,
               bool interleaved = false) const {
    const int rows = rows_of_block(interleaved ? kInterleavedThreads : kRowThreads);
    return {static_cast<int>(channels) * t_.outer,
            static_cast<int>(items),
            units_side_by_side,
            interleaved && rows > 1,
            row_threads(),
            rows,
            room(rows)};
  }
  /// About as many as have so many threads, which are whole warps.
  int rows_of_block(int threads) const {
    constexpr int kWarp = 32;
    const int least = kWarp / std::gcd(kWarp, row_threads());
    return std::max(1, threads / (least * row_threads())) * least;
  }
  /// Of a row: such that neither the values of one nor those of rows side by side meet on a bank of the memory.
  int room(int rows) const {
    constexpr int kPairsOfBanks = 16;
    const int apart = std::max(1, kPairsOfBanks / rows), size = gapped_size(t_.size);
    return size + (apart - size % kPairsOfBanks + kPairsOfBanks) % kPairsOfBanks;
  }
  Geometry geometry(const RowGrid& g, int rows_of_memory) const {
    return {(static_cast<std::int64_t>(g.units) * g.items + g.rows_of_block - 1) / g.rows_of_block,
            g.rows_of_block * g.threads,
            sizeof(Complex) * static_cast<std::size_t>(g.rows_of_block * rows_of_memory * g.room)};
  }
  Geometry geometry(const ColumnGrid& g) const {
    return {(g.units * g.items * t_.size + kColumnThreads - 1) / kColumnThreads, kColumnThreads, 0};
  }

  template <class Ends>
  static bool channels_are_neighbours(const SeriesSource<Ends>& source) {
    return source.series.channel_pitch == 1;
  }
  static bool channels_are_neighbours(const PartsInMemory&) { return false; }

  template <class Launch, class Source>
  void analyse(const Launch& launch, const Source& source, std::int64_t channels, Complex* spectrum) const {
    const RowGrid g = grid(channels, 1);
    launch(analyse_rows<Source>, geometry(g, 1), t_, g, source, spectrum);
  }
  template <class Launch, class Source, class Sink>
  void convolve(const Launch& launch, const Source& source, std::int64_t channels, const Complex* spectrum,
                const Sink& sink) const {
    const bool side_by_side = channels_are_neighbours(source);
    const RowGrid g = grid(channels, sizes_.batch, /*units_side_by_side=*/side_by_side, /*interleaved=*/side_by_side);
    launch(convolve_rows<Source, Sink>, geometry(g, 1), t_, g, source, spectrum, sink);
  }
  template <class Launch, class Source, class Sink>
  void correlate(const Launch& launch, const Source& u, const Source& g, std::int64_t channels, const Complex* spectrum,
                 Complex* sums, const Sink& dv, const Sink& convolved, bool convolves) const {
    const RowGrid rows = grid(channels, runs(), /*units_side_by_side=*/true, channels_are_neighbours(u));
    launch(backward_rows<Source, Sink>, geometry(rows, 2), t_, rows, item_runs(), u, g, spectrum, sums, dv, convolved,
           convolves);
  }
  template <class Launch>
  void write_gradient(const Launch& launch, const Taps<float>& dk, std::int64_t channels, const Complex* sums,
                      Complex* work) const {
    const TapsSink sink{dk, static_cast<int>(sizes_.past), static_cast<int>(sizes_.future), int_half(),
                        1.0F / static_cast<float>(half())};
    const RowGrid g = grid(channels, 1);
    if (t_.outer == 1) {
      launch(synthesise_rows<TapsSink>, geometry(g, 1), t_, g, sums, runs(), sink);
    } else {
      const PartsInMemory parts{work, 1, t_.outer, t_.size};
      launch(synthesise_rows<PartsInMemory>, geometry(g, 1), t_, g, sums, runs(), parts);
      join(launch, parts, {channels, 1}, sink);
    }
    const std::int64_t beyond = channels * (asked_.past - sizes_.past + asked_.future - sizes_.future);
    if (beyond == 0) return;
    launch(clear_taps, Geometry{(beyond + kThreads - 1) / kThreads, kThreads, 0}, dk, channels, sizes_.past,
           asked_.past, sizes_.future, asked_.future);
  }

  template <class Body>
  void with_outer_radices(const Body& body) const {
    const RowStage& s = t_.outer_stage;
    if (s.second == 1) return body.template operator()<8, 1>();
    if (s.first == 4) return body.template operator()<4, 4>();
    body.template operator()<8, 8>();
  }
  template <class Launch, class Source>
  void split(const Launch& launch, const Source& source, const ColumnGrid& g, const PartsInMemory& parts) const {
    with_outer_radices([&]<int A, int B>() { launch(split_outer<A, B, Source>, geometry(g), t_, g, source, parts); });
  }
  template <class Launch, class Sink>
  void join(const Launch& launch, const PartsInMemory& parts, const ColumnGrid& g, const Sink& sink) const {
    with_outer_radices([&]<int A, int B>() { launch(join_outer<A, B, Sink>, geometry(g), t_, g, parts, sink); });
  }

  LongConvSizes asked_, sizes_;
  RowTransform t_;
};

}  // namespace
}  // namespace noema::cuda
