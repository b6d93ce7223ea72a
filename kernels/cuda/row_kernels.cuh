// kernels/cuda/row_kernels: transforms of rows in the memory of a block, with the products between them.
#pragma once

#include "noema/kernels/cpu/transform.h"
#include "noema/kernels/cuda/row_ends.cuh"
#include "noema/kernels/cuda/row_transform.h"

namespace noema::cuda {
namespace {

/// Of a block: as many as the longest part has; few, where each has many values in registers.
constexpr int kMostRowThreads = 512, kColumnThreads = 128;
/// Of forward, whose threads need few more: 24 warps beside each other wait less than 16 with all they could use.
constexpr int kConvolveRegisters = 80;

/// Where value n of a part is in the block's memory: a gap behind as many values as the last stage joins keeps threads
/// off each other's banks, and values whose step is a multiple of that stay evenly apart.
NOEMA_DEVICE int gapped(int n) { return n + n / kLastRadix; }
constexpr int gapped_size(int size) { return size + size / kLastRadix; }

/// Which rows a kernel has: `units` × `items`, side by side by unit or by item, `threads` for each row, which has
/// `room` complex values of the block's memory. Where rows are interleaved, threads side by side belong to rows side by
/// side, whose values are neighbours in the device's memory. In backward a row is a run of items of a unit.
struct RowGrid {
  int units, items;
  bool units_side_by_side, interleaved;
  int threads, rows_of_block, room;
};

/// This thread's row and its place among the row's threads.
struct RowThread {
  int unit, item;
  bool inside;
  int thread, threads, row_in_block;
};

NOEMA_DEVICE RowThread row_thread(const RowGrid& g) {
  RowThread t;
  const int thread = static_cast<int>(threadIdx.x);
  t.threads = g.threads;
  t.row_in_block = g.interleaved ? thread % g.rows_of_block : thread / g.threads;
  t.thread = g.interleaved ? thread / g.rows_of_block : thread % g.threads;
  const int asked = static_cast<int>(blockIdx.x) * g.rows_of_block + t.row_in_block, rows = g.units * g.items;
  t.inside = asked < rows;
  const int row = t.inside ? asked : rows - 1;  // so that what is read for a row that is not there is that of one
  t.unit = g.units_side_by_side ? row % g.units : row / g.items;
  t.item = g.units_side_by_side ? row / g.units : row % g.items;
  return t;
}

/// Those of a butterfly, from `first` on, `apart` from each other.
NOEMA_DEVICE auto roots_from(const Complex* roots, unsigned first, unsigned apart) {
  return [=](int p) { return read_only(roots + (first + (p - 1) * apart)); };
}

/// The roots of a stage for one block of values that meet: of the first butterflies, and of those of part k.
struct StageRoots {
  const Complex* roots;
  unsigned first_roots, second_roots, apart;

  NOEMA_DEVICE StageRoots(const float* all, const RowStage& s, int block)
      : roots(reinterpret_cast<const Complex*>(all)),
        first_roots(s.first_roots + block),
        second_roots(s.second_roots + block),
        apart(s.blocks) {}
  NOEMA_DEVICE auto first() const { return roots_from(roots, first_roots, apart); }
  template <int R>
  NOEMA_DEVICE auto second(int k) const {
    return roots_from(roots, second_roots + k * cpu::root_count(R) * apart, apart);
  }
};

/// The stage on A·B values that meet, B = 1 for one butterfly. `kReal`: all imaginary parts are zero.
template <int A, int B, bool kReal>
NOEMA_DEVICE void split_values(const StageRoots& roots, Complex* a) {
  const auto first = roots.first();
  NOEMA_UNROLL
  for (int r = 0; r < B; ++r) {
    Complex x[A];
    NOEMA_UNROLL
    for (int i = 0; i < A; ++i) x[i] = a[i * B + r];
    cpu::split_in_registers<A, kReal>(x, first);
    NOEMA_UNROLL
    for (int i = 0; i < A; ++i) a[i * B + r] = x[i];
  }
  if constexpr (B > 1) {
    NOEMA_UNROLL
    for (int k = 0; k < A; ++k) cpu::split_in_registers<B, false>(a + k * B, roots.template second<B>(k));
  }
}

/// A·B times the inverse.
template <int A, int B>
NOEMA_DEVICE void join_values(const StageRoots& roots, Complex* a) {
  if constexpr (B > 1) {
    NOEMA_UNROLL
    for (int k = 0; k < A; ++k) cpu::join_in_registers<B>(a + k * B, roots.template second<B>(k));
  }
  const auto first = roots.first();
  NOEMA_UNROLL
  for (int r = 0; r < B; ++r) {
    Complex x[A];
    NOEMA_UNROLL
    for (int i = 0; i < A; ++i) x[i] = a[i * B + r];
    cpu::join_in_registers<A>(x, first);
    NOEMA_UNROLL
    for (int i = 0; i < A; ++i) a[i * B + r] = x[i];
  }
}

/// A part's stages in order, split or joined. `part` is which of its row's it is.
class PartStages {
 public:
  NOEMA_DEVICE PartStages(const RowTransform& transform, const RowThread& thread)
      : t_(transform), thread_(thread), part_(transform.outer == 1 ? 0 : thread.unit % transform.outer) {}

  /// The row's values go through all stages but the last into x.
  template <class Row>
  NOEMA_DEVICE void down(const Row& row, Complex* x) const {
    first_stage([&]<int A, int B>() {
      each<A, B>(
          0, [&](const Place& at, Complex* a) { take<A * B>(at, row, a); },
          [&](const Place& at, Complex* a) { split_values<A, B, Row::kReal>(at.roots, a); },
          [&](const Place& at, const Complex* a) { put<A * B>(at, a, x); });
    });
    for (int s = 1; s + 1 < t_.stages; ++s) {
      __syncthreads();
      later_stage(s, [&]<int A, int B>() {
        each<A, B>(
            s, [&](const Place& at, Complex* a) { get<A * B>(at, x, a); },
            [&](const Place& at, Complex* a) { split_values<A, B, false>(at.roots, a); },
            [&](const Place& at, const Complex* a) { put<A * B>(at, a, x); });
      });
    }
    __syncthreads();
  }
  /// Back from before the last stage, into the row.
  template <class Row>
  NOEMA_DEVICE void up(Complex* x, const Row& row) const {
    for (int s = t_.stages - 2; s > 0; --s) {
      __syncthreads();
      later_stage(s, [&]<int A, int B>() {
        each<A, B>(
            s, [&](const Place& at, Complex* a) { get<A * B>(at, x, a); },
            [&](const Place& at, Complex* a) { join_values<A, B>(at.roots, a); },
            [&](const Place& at, const Complex* a) { put<A * B>(at, a, x); });
      });
    }
    __syncthreads();
    first_stage([&]<int A, int B>() {
      each<A, B>(
          0, [&](const Place& at, Complex* a) { get<A * B>(at, x, a); },
          [&](const Place& at, Complex* a) { join_values<A, B>(at.roots, a); },
          [&](const Place& at, const Complex* a) { give<A * B>(at, a, row); });
    });
  }
  /// Where a group of values that meet in the last stage is: in the block's memory at `first` side by side, and, in
  /// spectra, whose order is that of threads, from `index` on, `apart` from each other.
  struct LastPlace {
    int first;
    unsigned index, apart;
    StageRoots roots;
  };
  /// Calls body(place) for each group.
  template <class Body>
  NOEMA_DEVICE void last_stage(const Body& body) const {
    if (!thread_.inside) return;
    const RowStage& stage = t_.stage[t_.stages - 1];
    const int groups = t_.size / kLastRadix;
    for (int i = thread_.thread; i < groups; i += thread_.threads) {
      body(LastPlace{gapped(i * kLastRadix),
                     static_cast<unsigned>(i),
                     static_cast<unsigned>(groups),
                     {t_.roots, stage, part_ * groups + i}});
    }
  }

 private:
  struct Place {
    int first, step;
    StageRoots roots;
  };

  template <class Body>
  NOEMA_DEVICE void first_stage(const Body& body) const {
    if (t_.stage[0].second > 1) return body.template operator()<4, 4>();
    if (t_.stage[0].first == 4) return body.template operator()<4, 1>();
    body.template operator()<8, 1>();
  }
  template <class Body>
  NOEMA_DEVICE void later_stage(int s, const Body& body) const {
    switch (t_.stage[s].radix()) {
      case 3:
        return body.template operator()<3, 1>();
      case 4:
        return body.template operator()<4, 1>();
      case 5:
        return body.template operator()<5, 1>();
      case 8:
        return body.template operator()<8, 1>();
      default:
        return body.template operator()<4, 4>();
    }
  }
  /// Each group of values that meet is taken, changed and left.
  template <int A, int B, class Take, class Change, class Leave>
  NOEMA_DEVICE void each(int s, const Take& take, const Change& change, const Leave& leave) const {
    constexpr int kRadix = A * B;
    if (!thread_.inside) return;
    const RowStage& stage = t_.stage[s];
    const int step = stage.step, groups = t_.size / kRadix, first_block = part_ * (stage.blocks / t_.outer);
    for (int i = thread_.thread; i < groups; i += thread_.threads) {
      const int block = i >> stage.step_log;
      const Place place{block * (kRadix - 1) * step + i, step, {t_.roots, stage, first_block + block}};
      Complex a[kRadix];
      take(place, a);
      change(place, a);
      leave(place, a);
    }
  }
  template <int kRadix>
  NOEMA_DEVICE static void get(const Place& at, const Complex* x, Complex* a) {
    const Complex* there = x + gapped(at.first);
    const int apart = gapped(at.step);
    NOEMA_UNROLL
    for (int p = 0; p < kRadix; ++p) a[p] = there[p * apart];
  }
  template <int kRadix>
  NOEMA_DEVICE static void put(const Place& at, const Complex* a, Complex* x) {
    Complex* there = x + gapped(at.first);
    const int apart = gapped(at.step);
    NOEMA_UNROLL
    for (int p = 0; p < kRadix; ++p) there[p * apart] = a[p];
  }
  template <int kRadix, class Row>
  NOEMA_DEVICE static void take(const Place& at, const Row& row, Complex* a) {
    NOEMA_UNROLL
    for (int p = 0; p < kRadix; ++p) a[p] = row.at(at.first + p * at.step);
  }
  template <int kRadix, class Row>
  NOEMA_DEVICE static void give(const Place& at, const Complex* a, const Row& row) {
    Complex before[kRadix];
    NOEMA_UNROLL
    for (int p = 0; p < kRadix; ++p) before[p] = row.before(at.first + p * at.step);
    NOEMA_UNROLL
    for (int p = 0; p < kRadix; ++p) row.put(at.first + p * at.step, a[p], before[p]);
  }

  const RowTransform& t_;
  const RowThread& thread_;
  int part_;
};

template <int kRadix>
NOEMA_DEVICE void get_group(const PartStages::LastPlace& at, const Complex* x, Complex (&a)[kRadix]) {
  NOEMA_UNROLL
  for (int p = 0; p < kRadix; ++p) a[p] = x[at.first + p];
}
template <int kRadix>
NOEMA_DEVICE void put_group(const PartStages::LastPlace& at, const Complex (&a)[kRadix], Complex* x) {
  NOEMA_UNROLL
  for (int p = 0; p < kRadix; ++p) x[at.first + p] = a[p];
}

/// spectrum[unit] ← that of the row of the source, in the order of LastPlace.
template <class Source>
NOEMA_KERNEL(kMostRowThreads)
analyse_rows(NOEMA_PARAMETER RowTransform t, NOEMA_PARAMETER RowGrid grid, NOEMA_PARAMETER Source source,
             Complex* spectrum) {
  const RowThread thread = row_thread(grid);
  Complex* x = block_memory<Complex>() + thread.row_in_block * grid.room;
  const PartStages stages(t, thread);
  stages.down(source.row(thread.unit, thread.item), x);
  Complex* to = spectrum + static_cast<std::int64_t>(thread.unit) * t.size;
  stages.last_stage([&](const auto& at) {
    Complex a[kLastRadix];
    get_group(at, x, a);
    split_values<4, 4, false>(at.roots, a);
    NOEMA_UNROLL
    for (int p = 0; p < kLastRadix; ++p) to[at.index + p * at.apart] = a[p];
  });
}

/// sink ← M times the product of the source's rows with those whose spectra are given.
template <class Source, class Sink>
NOEMA_KERNEL_OF_REGISTERS(kConvolveRegisters)
convolve_rows(NOEMA_PARAMETER RowTransform t, NOEMA_PARAMETER RowGrid grid, NOEMA_PARAMETER Source source,
              const Complex* spectrum, NOEMA_PARAMETER Sink sink) {
  const RowThread thread = row_thread(grid);
  Complex* x = block_memory<Complex>() + thread.row_in_block * grid.room;
  const PartStages stages(t, thread);
  stages.down(source.row(thread.unit, thread.item), x);
  const Complex* kernel = spectrum + static_cast<std::int64_t>(thread.unit) * t.size;
  stages.last_stage([&](const auto& at) {
    Complex a[kLastRadix];
    get_group(at, x, a);
    split_values<4, 4, false>(at.roots, a);
    NOEMA_UNROLL
    for (int p = 0; p < kLastRadix; ++p) a[p] = a[p] * read_only(kernel + at.index + p * at.apart);
    join_values<4, 4>(at.roots, a);
    put_group(at, a, x);
  });
  stages.up(x, sink.row(thread.unit, thread.item));
}

/// How the items of a unit are shared among rows of the grid, whose `items` counts the runs.
struct ItemRuns {
  std::int64_t items, run;
};

/// For each item of a run: ĝ·conj(û) is added to the run's sum in sums[run][unit], dv ← M times g's product with the
/// conjugate spectrum, and, where `convolves`, convolved ← M times u's with the spectrum.
template <class Source, class Sink>
NOEMA_KERNEL(kMostRowThreads)
backward_rows(NOEMA_PARAMETER RowTransform t, NOEMA_PARAMETER RowGrid grid, ItemRuns runs,
              NOEMA_PARAMETER Source u_source, NOEMA_PARAMETER Source g_source, const Complex* spectrum, Complex* sums,
              NOEMA_PARAMETER Sink dv, NOEMA_PARAMETER Sink convolved, bool convolves) {
  RowThread thread = row_thread(grid);
  Complex* u = block_memory<Complex>() + 2 * thread.row_in_block * grid.room;
  Complex* g = u + grid.room;
  const bool has_run = thread.inside;
  const Complex* kernel = spectrum + static_cast<std::int64_t>(thread.unit) * t.size;
  Complex* sum = sums + (static_cast<std::int64_t>(thread.item) * grid.units + thread.unit) * t.size;
  const std::int64_t begin = thread.item * runs.run;
  const PartStages stages(t, thread);  // looks at the thread, which is inside as long as its run has items
  for (std::int64_t i = 0; i < runs.run; ++i) {
    const std::int64_t item = begin + i;
    thread.inside = has_run && item < runs.items;
    stages.down(u_source.row(thread.unit, item), u);
    stages.down(g_source.row(thread.unit, item), g);
    stages.last_stage([&](const auto& at) {
      Complex a[kLastRadix], b[kLastRadix];
      get_group(at, u, a);
      get_group(at, g, b);
      split_values<4, 4, false>(at.roots, a);
      split_values<4, 4, false>(at.roots, b);
      // Four sums are read before the first of them is written, so that not each read waits for a write.
      constexpr int kTogether = 4;
      NOEMA_UNROLL
      for (int first = 0; first < kLastRadix; first += kTogether) {
        Complex total[kTogether];
        NOEMA_UNROLL
        for (int p = 0; p < kTogether; ++p) {
          total[p] = i == 0 ? Complex{0.0F, 0.0F} : sum[at.index + (first + p) * at.apart];
        }
        NOEMA_UNROLL
        for (int p = 0; p < kTogether; ++p) {
          Complex &of_u = a[first + p], &of_g = b[first + p];
          sum[at.index + (first + p) * at.apart] = total[p] + cpu::times_conjugate(of_g, of_u);
          const Complex k = read_only(kernel + at.index + (first + p) * at.apart);
          of_u = of_u * k;
          of_g = cpu::times_conjugate(of_g, k);
        }
      }
      join_values<4, 4>(at.roots, b);
      put_group(at, b, g);
      if (!convolves) return;
      join_values<4, 4>(at.roots, a);
      put_group(at, a, u);
    });
    stages.up(g, dv.row(thread.unit, item));
    if (convolves) stages.up(u, convolved.row(thread.unit, item));
  }
}

/// The weights of the skip terms, zeros where there are none, and behind them 1; a thread for each.
NOEMA_KERNEL(256) copy_skip(Taps<const float> taps, std::int64_t channels, float* skip) {
  const std::int64_t c = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (c == channels) skip[c] = 1.0F;
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
synthesise_rows(NOEMA_PARAMETER RowTransform t, NOEMA_PARAMETER RowGrid grid, const Complex* sums, std::int64_t runs,
                NOEMA_PARAMETER Sink sink) {
  const RowThread thread = row_thread(grid);
  Complex* x = block_memory<Complex>() + thread.row_in_block * grid.room;
  const PartStages stages(t, thread);
  stages.last_stage([&](const auto& at) {
    Complex a[kLastRadix] = {};
    for (std::int64_t r = 0; r < runs; ++r) {
      const Complex* sum = sums + (r * grid.units + thread.unit) * t.size + at.index;
      NOEMA_UNROLL
      for (int p = 0; p < kLastRadix; ++p) a[p] = a[p] + read_only(sum + p * at.apart);
    }
    join_values<4, 4>(at.roots, a);
    put_group(at, a, x);
  });
  stages.up(x, sink.row(thread.unit, thread.item));
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
split_outer(NOEMA_PARAMETER RowTransform t, ColumnGrid grid, NOEMA_PARAMETER Source source, PartsInMemory parts) {
  for_column(grid, t.size, [&](std::int64_t channel, std::int64_t item, int n) {
    const auto from = source.row(channel, item);
    Complex* to = parts.row(channel * t.outer, item).values + n;
    Complex a[A * B];
    NOEMA_UNROLL
    for (int p = 0; p < A * B; ++p) a[p] = from.at(p * t.size + n);
    split_values<A, B, decltype(from)::kReal>({t.roots, t.outer_stage, 0}, a);
    NOEMA_UNROLL
    for (int p = 0; p < A * B; ++p) to[static_cast<std::int64_t>(p) * t.size] = a[p];
  });
}

template <int A, int B, class Sink>
NOEMA_KERNEL(kColumnThreads)
join_outer(NOEMA_PARAMETER RowTransform t, ColumnGrid grid, PartsInMemory parts, NOEMA_PARAMETER Sink sink) {
  for_column(grid, t.size, [&](std::int64_t channel, std::int64_t item, int n) {
    const auto to = sink.row(channel, item);
    const Complex* from = parts.row(channel * t.outer, item).values + n;
    Complex a[A * B];
    NOEMA_UNROLL
    for (int p = 0; p < A * B; ++p) a[p] = from[static_cast<std::int64_t>(p) * t.size];
    join_values<A, B>({t.roots, t.outer_stage, 0}, a);
    NOEMA_UNROLL
    for (int p = 0; p < A * B; ++p) to.put(p * t.size + n, a[p], to.before(p * t.size + n));
  });
}

}  // namespace
}  // namespace noema::cuda
