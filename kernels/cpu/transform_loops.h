// kernels/cpu/transform_loops: the loops of transform.h. Each level's .cpp includes this once and is compiled for its
// instructions, so nothing here may call a function that another file shares.
#pragma once

#include <cstdint>

#include "noema/kernels/cpu/butterflies.h"
#include "noema/kernels/cpu/lanes.h"
#include "noema/kernels/cpu/transform.h"
#include "noema/kernels/cpu/vectors.h"

namespace noema::cpu {
namespace {

/// The root of a block: p-th of its pairs (re, im), in all lanes.
NOEMA_INLINE auto roots_at(const float* pairs) {
  return [=](int p) { return Complex{all_lanes(pairs[2 * p - 2]), all_lanes(pairs[2 * p - 1])}; };
}

/// Calls `change(values, roots)` with each R vectors that meet in a butterfly of `blocks` blocks of R·step vectors.
template <int R, class Change>
NOEMA_INLINE void change_blocks(const float* roots, float* x, std::int64_t blocks, std::int64_t step,
                                const Change& change) {
  for (std::int64_t block = 0; block < blocks; ++block, roots += 2 * root_count(R), x += R * step * kPair) {
    for (std::int64_t j = 0; j < step; ++j) {
      Complex a[R];
      for (int p = 0; p < R; ++p) a[p] = load(x + (p * step + j) * kPair);
      change(a, roots_at(roots));
      for (int p = 0; p < R; ++p) store(x + (p * step + j) * kPair, a[p]);
    }
  }
}
/// The compiler makes a loop of its own for the shortest blocks.
template <int R, class Change>
NOEMA_INLINE void change_blocks_of(const float* roots, float* x, std::int64_t blocks, std::int64_t step,
                                   const Change& change) {
  if (step == 1) return change_blocks<R>(roots, x, blocks, 1, change);
  change_blocks<R>(roots, x, blocks, step, change);
}

/// One butterfly on each of `blocks` blocks of R·step vectors.
template <int R>
void split(const float* roots, float* x, std::int64_t blocks, std::int64_t step) {
  change_blocks_of<R>(roots, x, blocks, step,
                      [](Complex* a, const auto& root) { split_in_registers<R, false>(a, root); });
}

/// R times the inverse of split.
template <int R>
void join(const float* roots, float* x, std::int64_t blocks, std::int64_t step) {
  change_blocks_of<R>(roots, x, blocks, step, [](Complex* a, const auto& root) { join_in_registers<R>(a, root); });
}

/// A short row by vectors: its own memory as far as that is whole vectors, then one with zeros behind its end, then
/// zeros.
class RowReader {
 public:
  explicit RowReader(const ShortRow<const float>& row) : values_(row.values), whole_(row.length / kLanes) {
    for (std::int64_t t = whole_ * kLanes; t < row.length; ++t) end_[t - whole_ * kLanes] = row.values[t];
  }
  NOEMA_INLINE Vector at(std::int64_t i) const {
    return load_loose(i < whole_ ? values_ + i * kLanes : (i == whole_ ? end_ : end_ + kLanes));
  }

 private:
  const float* values_;
  std::int64_t whole_;
  alignas(64) float end_[2 * kLanes] = {};
};

/// Where the vectors of a short row go; what is beyond its end goes nowhere.
class RowWriter {
 public:
  explicit RowWriter(const ShortRow<float>& row) : values_(row.values), length_(row.length) {}
  ~RowWriter() {
    for (std::int64_t t = length_ / kLanes * kLanes; t < length_; ++t) values_[t] = end_[t % kLanes];
  }
  RowWriter(const RowWriter&) = delete;
  RowWriter& operator=(const RowWriter&) = delete;
  NOEMA_INLINE void put(std::int64_t i, Vector x) {
    const std::int64_t whole = length_ / kLanes;
    store_loose(i < whole ? values_ + i * kLanes : (i == whole ? end_ : end_ + kLanes), x);
  }

 private:
  float* values_;
  std::int64_t length_;
  alignas(64) float end_[2 * kLanes];
};

template <int R>
void split_row(const float* roots, const RowReader& row, float* x, std::int64_t step) {
  for (std::int64_t j = 0; j < step; ++j) {
    Complex a[R];
    for (int p = 0; p < R; ++p) a[p] = {row.at(p * step + j), Vector{}};
    split_in_registers<R, true>(a, roots_at(roots));
    for (int p = 0; p < R; ++p) store(x + (p * step + j) * kPair, a[p]);
  }
}

template <int R>
void join_row(const float* roots, const float* x, RowWriter& row, std::int64_t step) {
  for (std::int64_t j = 0; j < step; ++j) {
    Complex a[R];
    for (int p = 0; p < R; ++p) a[p] = load(x + (p * step + j) * kPair);
    join_in_registers<R>(a, roots_at(roots));
    for (int p = 0; p < R; ++p) row.put(p * step + j, a[p].re);
  }
}

/// Calls `body.template operator()<R>()` for a radix that is known when the program runs.
template <class Body>
NOEMA_INLINE void with_radix(int radix, const Body& body) {
  switch (radix) {
    case 2:
      return body.template operator()<2>();
    case 3:
      return body.template operator()<3>();
    case 4:
      return body.template operator()<4>();
    case 5:
      return body.template operator()<5>();
    default:
      return body.template operator()<8>();
  }
}

/// What happens to a row between its splitting and its joining.
enum class Work { analyse, synthesise, convolve, backward };

struct Operands {
  float* x;                          // of backward: g
  float* u = nullptr;                // of backward
  const float* spectrum = nullptr;   // of the kernel
  float* sum = nullptr;              // of backward
  const RowReader* x_row = nullptr;  // x comes from here, or is in its buffer
  const RowReader* u_row = nullptr;
  RowWriter* result = nullptr;  // x goes here, or stays in its buffer
  const float* next[3] = {};    // rows that are needed next
};

NOEMA_INLINE void fetch(const Operands& rows, std::int64_t float_index) {
  for (int i = 0; i < 3; ++i) {
    if (rows.next[i] == nullptr) continue;
    for (int line = 0; line < 4 * kLanes; line += 16) __builtin_prefetch(rows.next[i] + float_index + line, i == 2);
  }
}

template <Work kWork>
void finish(const TransformTables& t, const Operands& rows, std::int64_t first, std::int64_t count) {
  const float* roots = t.vector_roots + first / 4 * kVectorRoots * kPair;
  for (std::int64_t vector = first; vector < first + count; vector += 4, roots += kVectorRoots * kPair) {
    const std::int64_t at = vector * kPair;
    Complex x[4], u[4];
    for (int i = 0; i < 4; ++i) x[i] = load(rows.x + at + i * kPair);
    if constexpr (kWork != Work::synthesise) split_four(x, roots);
    if constexpr (kWork == Work::backward) {
      for (int i = 0; i < 4; ++i) u[i] = load(rows.u + at + i * kPair);
      split_four(u, roots);
      for (int i = 0; i < 4; ++i) {
        float* sum = rows.sum + at + i * kPair;
        store(sum, load(sum) + times_conjugate(x[i], u[i]));
        x[i] = times_conjugate(x[i], load(rows.spectrum + at + i * kPair));
      }
    }
    if constexpr (kWork == Work::convolve) {
      for (int i = 0; i < 4; ++i) x[i] = x[i] * load(rows.spectrum + at + i * kPair);
    }
    if constexpr (kWork != Work::analyse) join_four(x, roots);
    for (int i = 0; i < 4; ++i) store(rows.x + at + i * kPair, x[i]);
    fetch(rows, vector * kLanes);
  }
}

NOEMA_INLINE const float* roots_of(const TransformTables& t, int level, std::int64_t block) {
  return t.roots[level] + block * 2 * root_count(t.radix[level]);
}

template <Work kWork>
void split_rows(const TransformTables& t, int level, const Operands& rows, std::int64_t block, std::int64_t blocks,
                std::int64_t step) {
  if constexpr (kWork == Work::synthesise) return;
  const float* roots = roots_of(t, level, block);
  with_radix(t.radix[level], [&]<int R>() {
    const auto split_one = [&](float* x, const RowReader* row) {
      if (level == 0 && row != nullptr) {
        split_row<R>(roots, *row, x, step);
      } else {
        split<R>(roots, x + block * R * step * kPair, blocks, step);
      }
    };
    split_one(rows.x, rows.x_row);
    if constexpr (kWork == Work::backward) split_one(rows.u, rows.u_row);
  });
}

template <Work kWork>
void join_rows(const TransformTables& t, int level, const Operands& rows, std::int64_t block, std::int64_t blocks,
               std::int64_t step) {
  if constexpr (kWork == Work::analyse) return;
  const float* roots = roots_of(t, level, block);
  with_radix(t.radix[level], [&]<int R>() {
    if (level == 0 && rows.result != nullptr) {
      join_row<R>(roots, rows.x, *rows.result, step);
    } else {
      join<R>(roots, rows.x + block * R * step * kPair, blocks, step);
    }
  });
}

/// A block that stays in the cache: level after level.
template <Work kWork>
void transform_cached(const TransformTables& t, const Operands& rows, int level, std::int64_t block,
                      std::int64_t size) {
  std::int64_t first = block, blocks = 1, step = size;
  int last = level;
  for (; last < t.levels; ++last) {
    step /= t.radix[last];
    split_rows<kWork>(t, last, rows, first, blocks, step);
    first *= t.radix[last];
    blocks *= t.radix[last];
  }
  finish<kWork>(t, rows, first, blocks);
  while (last-- > level) {
    first /= t.radix[last];
    blocks /= t.radix[last];
    join_rows<kWork>(t, last, rows, first, blocks, step);
    step *= t.radix[last];
  }
}

/// A block of `size` vectors at `level`: split, each part to its end, joined. So a long row passes memory three times.
template <Work kWork>
void transform(const TransformTables& t, const Operands& rows, int level, std::int64_t block, std::int64_t size) {
  if (level >= t.cached_level) return transform_cached<kWork>(t, rows, level, block, size);
  const int radix = t.radix[level];
  split_rows<kWork>(t, level, rows, block, 1, size / radix);
  for (int part = 0; part < radix; ++part) {
    transform<kWork>(t, rows, level + 1, block * radix + part, size / radix);
  }
  join_rows<kWork>(t, level, rows, block, 1, size / radix);
}

template <Work kWork>
void transform(const TransformTables& t, const Operands& rows) {
  transform<kWork>(t, rows, 0, 0, t.vectors);
}

/// The vector of times [time, time + lanes) of a row, zero outside of [begin, end).
Vector part_of(const float* row, const Stretch& s, std::int64_t time) {
  if (time >= s.begin && time + kLanes <= s.end) return load_loose(row + time);
  Vector x = {};
  for (int lane = 0; lane < kLanes; ++lane) {
    if (time + lane >= s.begin && time + lane < s.end) x[lane] = row[time + lane];
  }
  return x;
}

void put_part(float* row, const Stretch& s, std::int64_t time, Vector x) {
  if (time >= s.begin && time + kLanes <= s.end) return store_loose(row + time, x);
  for (int lane = 0; lane < kLanes; ++lane) {
    if (time + lane >= s.begin && time + lane < s.end) row[time + lane] = x[lane];
  }
}

void pack(const TransformTables& t, const float* row, const Stretch& s, float* x) {
  const std::int64_t half = t.vectors * kLanes;
  for (std::int64_t i = 0; i < t.vectors; ++i) {
    const std::int64_t time = s.start + i * kLanes;
    store(x + i * kPair, {part_of(row, s, time), part_of(row, s, time + half)});
  }
}

void unpack(const TransformTables& t, const float* x, const Stretch& s, bool add, float* row) {
  const std::int64_t half = t.vectors * kLanes;
  const auto put = [&](std::int64_t time, Vector value) {
    if (time + kLanes <= s.begin || time >= s.end) return;
    put_part(row, s, time, add ? value + part_of(row, s, time) : value);
  };
  for (std::int64_t i = 0; i < t.vectors; ++i) {
    const Complex a = load(x + i * kPair);
    put(s.start + i * kLanes, a.re);
    put(s.start + i * kLanes + half, a.im);
  }
}

void convolve_short(const TransformTables& t, const ShortRow<const float>& u, const float* spectrum,
                    const ShortRow<float>& y, float* x) {
  const RowReader in(u);
  RowWriter out(y);
  transform<Work::convolve>(
      t, {.x = x, .spectrum = spectrum, .x_row = &in, .result = &out, .next = {u.next, nullptr, y.next}});
}

void backward_short(const TransformTables& t, const ShortRow<const float>& u, const ShortRow<const float>& g,
                    const float* spectrum, float* sum, const ShortRow<float>& du, float* x, float* x2) {
  const RowReader u_in(u), g_in(g);
  RowWriter out(du);
  transform<Work::backward>(t, {.x = x,
                                .u = x2,
                                .spectrum = spectrum,
                                .sum = sum,
                                .x_row = &g_in,
                                .u_row = &u_in,
                                .result = &out,
                                .next = {g.next, u.next, du.next}});
}

constexpr TransformLoops kTransformLoops = {
    kLanes,
    pack,
    unpack,
    [](const TransformTables& t, float* x) { transform<Work::analyse>(t, {.x = x}); },
    [](const TransformTables& t, float* x) { transform<Work::synthesise>(t, {.x = x}); },
    [](const TransformTables& t, float* x, const float* k) { transform<Work::convolve>(t, {.x = x, .spectrum = k}); },
    [](const TransformTables& t, float* u, float* g, const float* k, float* sum) {
      transform<Work::backward>(t, {.x = g, .u = u, .spectrum = k, .sum = sum});
    },
    convolve_short,
    backward_short,
};

}  // namespace
}  // namespace noema::cpu
