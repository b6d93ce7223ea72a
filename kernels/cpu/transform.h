// kernels/cpu/transform: the complex transform under the long convolution, its tables and its loops for each level.
//
// Rows are elements of C[z] / (z^M − i). A real row of 2M values stands in it as re + i·im, its second half in the
// imaginary part, so a product there is the convolution that wraps around after 2M with its sign turned: half of the
// length, no zeros to transform, and a row needs no second row beside it (Nussbaumer's right-angle convolution). A
// butterfly of radix r takes z^n − e^{iθ} apart into r factors z^{n/r} − e^{i(θ + 2πk)/r}, so its roots depend on the
// block alone. Factors as short as a vector go on four at a time, transposed so that their terms meet lane by lane.
// Values of the spectrum stay in the order in which that leaves them.
#pragma once

#include <cstdint>

namespace noema::cpu {

constexpr int kMaxLevels = 20;

/// Roots of a butterfly of `radix` in the tables: w, w², …, w^(radix − 1), and after those of 8, w·e^{iπ/4}.
constexpr int root_count(int radix) { return radix == 8 ? 8 : radix - 1; }

/// What the loops read. A row is `vectors` groups of `lanes` real parts and `lanes` imaginary parts.
struct TransformTables {
  int lanes = 0;
  std::int64_t vectors = 0;
  int levels = 0;
  /// From this level on a block is transformed while it stays in the first cache.
  int cached_level = 0;
  int radix[kMaxLevels] = {};
  /// At each level root_count(radix) pairs (re, im) for each block.
  const float* roots[kMaxLevels] = {};
  /// For each four vectors: complex vectors of the roots of the butterflies within them.
  const float* vector_roots = nullptr;
};

/// A stretch of a real row on the circle of 2M: position p is time `start` + p, and times outside [begin, end) are
/// zero.
struct Stretch {
  std::int64_t start = 0;
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

/// A row of at most M values, all of them real, and the next one, to be fetched meanwhile (null: none).
template <class Value>
struct ShortRow {
  Value* values = nullptr;
  std::int64_t length = 0;
  Value* next = nullptr;
};

/// The loops of one instruction level. Buffers are aligned to 64 bytes; rows need not be.
struct TransformLoops {
  int lanes;
  /// x ← row.
  void (*pack)(const TransformTables&, const float* row, const Stretch&, float* x);
  /// row ← x; `add`: row ← row + x.
  void (*unpack)(const TransformTables&, const float* x, const Stretch&, bool add, float* row);
  /// x ← its spectrum.
  void (*analyse)(const TransformTables&, float* x);
  /// x ← M times the row of the spectrum x.
  void (*synthesise)(const TransformTables&, float* x);
  /// x ← M times the product of the row x with a row whose spectrum is given.
  void (*convolve)(const TransformTables&, float* x, const float* spectrum);
  /// sum ← sum + ĝ·conj(û), then g ← M times its product with the row of the conjugate spectrum; u is overwritten.
  void (*backward)(const TransformTables&, float* u, float* g, const float* spectrum, float* sum);
  /// As pack, convolve, unpack; x is working memory.
  void (*convolve_short)(const TransformTables&, const ShortRow<const float>& u, const float* spectrum,
                         const ShortRow<float>& y, float* x);
  /// As pack of both, backward, unpack; x and x2 are working memory.
  void (*backward_short)(const TransformTables&, const ShortRow<const float>& u, const ShortRow<const float>& g,
                         const float* spectrum, float* sum, const ShortRow<float>& du, float* x, float* x2);
};

}  // namespace noema::cpu
