// kernels/cuda/row_kernels: transforms of rows in the memory of a block, with the products between them.
#pragma once

#include "noema/kernels/cpu/transform.h"
#include "noema/kernels/cuda/row_ends.cuh"
#include "noema/kernels/cuda/row_transform.h"

namespace noema::cuda {
namespace {

/// Of a block: as many as the longest part has; few, where each has many values in registers.
constexpr int kMostRowThreads = 512, kColumnThreads = 128;

/// A gap after each 16 values keeps threads off each other's banks.
NOEMA_DEVICE int gapped(int n) { return n + n / 16; }
constexpr int gapped_size(int size) { return size + size / 16; }

/// Which rows a kernel has: `units` × `items`, side by side by unit or by item, `threads` for each row. In backward a
/// row is a run of items of a unit.
struct RowGrid {
  std::int64_t units, items;
  bool units_side_by_side;
  int threads;
};

/// This thread's row and its place among the row's threads.
struct RowThread {
  std::int64_t unit, item;
  bool inside;
  int thread, threads, row_in_block;
};

NOEMA_DEVICE RowThread row_thread(const RowGrid& g) {
  RowThread t;
  t.threads = g.threads;
  t.row_in_block = static_cast<int>(threadIdx.x) / g.threads;
  t.thread = static_cast<int>(threadIdx.x) % g.threads;
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * (blockDim.x / g.threads) + t.row_in_block;
  t.inside = row < g.units * g.items;
  t.unit = g.units_side_by_side ? row % g.units : row / g.items;
  t.item = g.units_side_by_side ? row / g.units : row % g.items;
  return t;
}

template <int R>
NOEMA_DEVICE auto roots_of(const float* roots, std::int64_t first, std::int64_t block) {
  constexpr int kCount = cpu::root_count(R);
  const auto* w = reinterpret_cast<const Complex*>(roots) + first + block * kCount - 1;
  return [=](int p) { return w[p]; };
}

/// The stage on A·B values that meet in `block`, B = 1 for one butterfly.
template <int A, int B>
NOEMA_DEVICE void split_values(const float* roots, const RowStage& s, std::int64_t block, Complex* a) {
  const auto first = roots_of<A>(roots, s.first_roots, block);
  for (int r = 0; r < B; ++r) {
    Complex x[A];
    for (int i = 0; i < A; ++i) x[i] = a[i * B + r];
    cpu::split_in_registers<A, false>(x, first);
    for (int i = 0; i < A; ++i) a[i * B + r] = x[i];
  }
  if constexpr (B > 1) {
    for (int k = 0; k < A; ++k) {
      cpu::split_in_registers<B, false>(a + k * B, roots_of<B>(roots, s.second_roots, block * A + k));
    }
  }
}

/// A·B times the inverse.
template <int A, int B>
NOEMA_DEVICE void join_values(const float* roots, const RowStage& s, std::int64_t block, Complex* a) {
  if constexpr (B > 1) {
    for (int k = 0; k < A; ++k) {
      cpu::join_in_registers<B>(a + k * B, roots_of<B>(roots, s.second_roots, block * A + k));
    }
  }
  const auto first = roots_of<A>(roots, s.first_roots, block);
  for (int r = 0; r < B; ++r) {
    Complex x[A];
    for (int i = 0; i < A; ++i) x[i] = a[i * B + r];
    cpu::join_in_registers<A>(x, first);
    for (int i = 0; i < A; ++i) a[i * B + r] = x[i];
  }
}

NOEMA_DEVICE auto in(const Complex* x) {
  return [=](int n) { return x[gapped(n)]; };
}

/// A part's stages in order, split or joined. `part` is which of its row's it is.
class PartStages {
 public:
  NOEMA_DEVICE PartStages(const RowTransform& transform, const RowThread& thread, std::int64_t part)
      : t_(transform), thread_(thread), part_(part) {}

  /// The row's values go through all stages but the last into x.
  template <class Load>
  NOEMA_DEVICE void down(const Load& load, Complex* x) const {
    const auto put = [=](int n, const Complex& value) { x[gapped(n)] = value; };
    first_stage([&]<int A, int B>() { each<A, B, Way::split>(0, load, put); });
    for (int s = 1; s + 1 < t_.stages; ++s) {
      __syncthreads();
      later_stage(s, [&]<int A, int B>() { each<A, B, Way::split>(s, in(x), put); });
    }
    __syncthreads();
  }
  /// Back from before the last stage.
  template <class Store>
  NOEMA_DEVICE void up(const Complex* x, Complex* y, const Store& store) const {
    const auto put = [=](int n, const Complex& value) { y[gapped(n)] = value; };
    for (int s = t_.stages - 2; s > 0; --s) {
      __syncthreads();
      later_stage(s, [&]<int A, int B>() { each<A, B, Way::join>(s, in(x), put); });
    }
    __syncthreads();
    first_stage([&]<int A, int B>() { each<A, B, Way::join>(0, in(x), store); });
  }
  /// Calls body.template operator()<A, B>() for the last stage's radices.
  template <class Body>
  NOEMA_DEVICE void last_stage(const Body& body) const {
    later_stage(t_.stages - 1, body);
  }
  /// Calls body(first, split, join) for each group of values first … first + A·B − 1 that meet in the last stage.
  template <int A, int B, class Body>
  NOEMA_DEVICE void each_last(const Body& body) const {
    constexpr int kRadix = A * B;
    if (!thread_.inside) return;
    const RowStage& stage = t_.stage[t_.stages - 1];
    for (int i = thread_.thread; i < t_.size / kRadix; i += thread_.threads) {
      const std::int64_t block = part_ * (t_.size / kRadix) + i;
      body(
          i * kRadix, [&](Complex* a) { split_values<A, B>(t_.roots, stage, block, a); },
          [&](Complex* a) { join_values<A, B>(t_.roots, stage, block, a); });
    }
  }

 private:
  enum class Way { split, join };

  template <class Body>
  NOEMA_DEVICE void first_stage(const Body& body) const {
    switch (t_.stage[0].first) {
      case 3:
        return body.template operator()<3, 1>();
      case 5:
        return body.template operator()<5, 1>();
      default:
        return later_stage(0, body);
    }
  }
  template <class Body>
  NOEMA_DEVICE void later_stage(int s, const Body& body) const {
    if (t_.stage[s].second > 1) return body.template operator()<4, 4>();
    body.template operator()<8, 1>();
  }
  template <int A, int B, Way kWay, class Load, class Store>
  NOEMA_DEVICE void each(int s, const Load& load, const Store& store) const {
    constexpr int kRadix = A * B;
    if (!thread_.inside) return;
    const RowStage& stage = t_.stage[s];
    const int step = 1 << stage.step_log, blocks = t_.size / kRadix >> stage.step_log;
    for (int i = thread_.thread; i < t_.size / kRadix; i += thread_.threads) {
      const int block = i >> stage.step_log, first = block * (kRadix - 1) * step + i;
      Complex a[kRadix];
      for (int p = 0; p < kRadix; ++p) a[p] = load(first + p * step);
      if constexpr (kWay == Way::split) split_values<A, B>(t_.roots, stage, part_ * blocks + block, a);
      if constexpr (kWay == Way::join) join_values<A, B>(t_.roots, stage, part_ * blocks + block, a);
      for (int p = 0; p < kRadix; ++p) store(first + p * step, a[p]);
    }
  }

  const RowTransform& t_;
  const RowThread& thread_;
  std::int64_t part_;
};

/// spectrum[unit] ← that of the row of the source.
template <class Source>
NOEMA_KERNEL(kMostRowThreads)
analyse_rows(NOEMA_PARAMETER RowTransform t, RowGrid grid, Source source, Complex* spectrum) {
  const RowThread row = row_thread(grid);
  Complex* x = block_memory<Complex>() + row.row_in_block * gapped_size(t.size);
  const PartStages stages(t, row, row.unit % t.outer);
  stages.down([&](int n) { return source.at(row.unit, row.item, n); }, x);
  stages.last_stage([&]<int A, int B>() {
    stages.template each_last<A, B>([&](int first, const auto& split, const auto&) {
      Complex a[A * B];
      for (int p = 0; p < A * B; ++p) a[p] = x[gapped(first + p)];
      split(a);
      for (int p = 0; p < A * B; ++p) spectrum[row.unit * t.size + first + p] = a[p];
    });
  });
}

/// sink ← M times the product of the source's rows with those whose spectra are given.
template <class Source, class Sink>
NOEMA_KERNEL(kMostRowThreads)
convolve_rows(NOEMA_PARAMETER RowTransform t, RowGrid grid, Source source, const Complex* spectrum, Sink sink) {
  const RowThread row = row_thread(grid);
  Complex* x = block_memory<Complex>() + row.row_in_block * gapped_size(t.size);
  const PartStages stages(t, row, row.unit % t.outer);
  stages.down([&](int n) { return source.at(row.unit, row.item, n); }, x);
  stages.last_stage([&]<int A, int B>() {
    stages.template each_last<A, B>([&](int first, const auto& split, const auto& join) {
      Complex a[A * B];
      for (int p = 0; p < A * B; ++p) a[p] = x[gapped(first + p)];
      split(a);
      for (int p = 0; p < A * B; ++p) a[p] = a[p] * spectrum[row.unit * t.size + first + p];
      join(a);
      for (int p = 0; p < A * B; ++p) x[gapped(first + p)] = a[p];
    });
  });
  stages.up(x, x, [&](int n, const Complex& value) { sink.put(row.unit, row.item, n, value); });
}

/// How the items of a unit are shared among rows of the grid, whose `items` counts the runs.
struct ItemRuns {
  std::int64_t items, run;
};

/// For each item of a run: ĝ·conj(û) is added to the run's sum in sums[run][unit], dv ← M times g's product with the
/// conjugate spectrum, and, where `convolves`, convolved ← M times u's with the spectrum.
template <class Source, class Sink>
NOEMA_KERNEL(kMostRowThreads)
backward_rows(NOEMA_PARAMETER RowTransform t, RowGrid grid, ItemRuns runs, Source u_source, Source g_source,
              const Complex* spectrum, Complex* sums, Sink dv, Sink convolved, bool convolves) {
  RowThread row = row_thread(grid);
  Complex* u = block_memory<Complex>() + row.row_in_block * 2 * gapped_size(t.size);
  Complex* g = u + gapped_size(t.size);
  const bool has_run = row.inside;
  const std::int64_t at = row.unit * t.size;
  Complex* sum = sums + (row.item * grid.units + row.unit) * t.size;
  const std::int64_t begin = row.item * runs.run;
  for (std::int64_t i = 0; i < runs.run; ++i) {
    const std::int64_t item = begin + i;
    row.inside = has_run && item < runs.items;
    const PartStages stages(t, row, row.unit % t.outer);
    stages.down([&](int n) { return u_source.at(row.unit, item, n); }, u);
    stages.down([&](int n) { return g_source.at(row.unit, item, n); }, g);
    stages.last_stage([&]<int A, int B>() {
      stages.template each_last<A, B>([&](int first, const auto& split, const auto& join) {
        Complex a[A * B], b[A * B];
        for (int p = 0; p < A * B; ++p) a[p] = u[gapped(first + p)];
        for (int p = 0; p < A * B; ++p) b[p] = g[gapped(first + p)];
        split(a);
        split(b);
        for (int p = 0; p < A * B; ++p) {
          const Complex product = cpu::times_conjugate(b[p], a[p]), k = spectrum[at + first + p];
          sum[first + p] = i == 0 ? product : sum[first + p] + product;
          a[p] = a[p] * k;
          b[p] = cpu::times_conjugate(b[p], k);
        }
        join(b);
        for (int p = 0; p < A * B; ++p) g[gapped(first + p)] = b[p];
        if (!convolves) return;
        join(a);
        for (int p = 0; p < A * B; ++p) u[gapped(first + p)] = a[p];
      });
    });
    stages.up(g, g, [&](int n, const Complex& value) { dv.put(row.unit, item, n, value); });
    if (convolves) stages.up(u, u, [&](int n, const Complex& value) { convolved.put(row.unit, item, n, value); });
  }
}

/// The weights of the skip terms, zeros where there are none; a thread for each.
NOEMA_KERNEL(256) copy_skip(Taps<const float> taps, std::int64_t channels, float* skip) {
  const std::int64_t c = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (c < channels) skip[c] = taps.skip == nullptr ? 0.0F : taps.skip[c];
}

/// Gradients of taps that the row's values cannot have, from past and future on: zeros, a thread for each.
NOEMA_KERNEL(kMostRowThreads)
clear_taps(Taps<float> taps, std::int64_t channels, std::int64_t past, std::int64_t asked_past, std::int64_t future,
           std::int64_t asked_future) {
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const std::int64_t pasts = asked_past - past, each = pasts + asked_future - future;
  if (index >= channels * each) return;
  const std::int64_t c = index / each, i = index % each;
  if (i < pasts) {
    taps.past[c * taps.past_pitch + past + i] = 0.0F;
  } else {
    taps.future[c * taps.future_pitch + (future + i - pasts) * taps.future_step] = 0.0F;
  }
}

/// sink ← M times the row whose spectrum is the total of `runs` sums, in their order.
template <class Sink>
NOEMA_KERNEL(kMostRowThreads)
synthesise_rows(NOEMA_PARAMETER RowTransform t, RowGrid grid, const Complex* sums, std::int64_t runs, Sink sink) {
  const RowThread row = row_thread(grid);
  Complex* x = block_memory<Complex>() + row.row_in_block * gapped_size(t.size);
  const PartStages stages(t, row, row.unit % t.outer);
  stages.last_stage([&]<int A, int B>() {
    stages.template each_last<A, B>([&](int first, const auto&, const auto& join) {
      Complex a[A * B];
      for (int p = 0; p < A * B; ++p) {
        a[p] = {0.0F, 0.0F};
        for (std::int64_t r = 0; r < runs; ++r) {
          a[p] = a[p] + sums[(r * grid.units + row.unit) * t.size + first + p];
        }
      }
      join(a);
      for (int p = 0; p < A * B; ++p) x[gapped(first + p)] = a[p];
    });
  });
  stages.up(x, x, [&](int n, const Complex& value) { sink.put(row.unit, row.item, n, value); });
}

/// Rows as wide as one block's memory is not: units × items rows of outer·size values, a thread for each of `size`
/// columns. Units are channels here.
struct ColumnGrid {
  std::int64_t units, items;
};

template <class Body>
NOEMA_DEVICE void for_column(const ColumnGrid& grid, int size, const Body& body) {
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const std::int64_t row = index / size;
  if (row < grid.units * grid.items) body(row / grid.items, row % grid.items, static_cast<int>(index % size));
}

/// The outer stage of rows of the source, into parts.
template <int A, int B, class Source>
NOEMA_KERNEL(kColumnThreads)
split_outer(NOEMA_PARAMETER RowTransform t, ColumnGrid grid, Source source, PartsInMemory parts) {
  for_column(grid, t.size, [&](std::int64_t unit, std::int64_t item, int n) {
    Complex a[A * B];
    for (int p = 0; p < A * B; ++p) a[p] = source.at(unit, item, static_cast<std::int64_t>(p) * t.size + n);
    split_values<A, B>(t.roots, t.outer_stage, 0, a);
    for (int p = 0; p < A * B; ++p) parts.put(unit * t.outer + p, item, n, a[p]);
  });
}

template <int A, int B, class Sink>
NOEMA_KERNEL(kColumnThreads)
join_outer(NOEMA_PARAMETER RowTransform t, ColumnGrid grid, PartsInMemory parts, Sink sink) {
  for_column(grid, t.size, [&](std::int64_t unit, std::int64_t item, int n) {
    Complex a[A * B];
    for (int p = 0; p < A * B; ++p) a[p] = parts.at(unit * t.outer + p, item, n);
    join_values<A, B>(t.roots, t.outer_stage, 0, a);
    for (int p = 0; p < A * B; ++p) sink.put(unit, item, static_cast<std::int64_t>(p) * t.size + n, a[p]);
  });
}

}  // namespace
}  // namespace noema::cuda
