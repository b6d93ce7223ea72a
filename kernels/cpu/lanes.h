// kernels/cpu/lanes: vectors transposed, and butterflies of values that stand in one vector; for files of one
// instruction level.
#pragma once

#include "noema/kernels/cpu/butterflies.h"
#include "noema/kernels/cpu/vectors.h"

namespace noema::cpu {
namespace {

template <int... Lane>
NOEMA_INLINE Vector shuffled(Vector a, Vector b) {
  return __builtin_shufflevector(a, b, Lane...);
}

/// In each quarter of 128 bits, lane j of vector i becomes lane i of vector j.
NOEMA_INLINE void transpose_quarters(Vector& a, Vector& b, Vector& c, Vector& d) {
#if NOEMA_LANES == 16
  const __m512 ab = _mm512_unpacklo_ps(a, b), ab2 = _mm512_unpackhi_ps(a, b);
  const __m512 cd = _mm512_unpacklo_ps(c, d), cd2 = _mm512_unpackhi_ps(c, d);
  a = _mm512_shuffle_ps(ab, cd, 0x44);
  b = _mm512_shuffle_ps(ab, cd, 0xEE);
  c = _mm512_shuffle_ps(ab2, cd2, 0x44);
  d = _mm512_shuffle_ps(ab2, cd2, 0xEE);
#elif NOEMA_LANES == 8
  const __m256 ab = _mm256_unpacklo_ps(a, b), ab2 = _mm256_unpackhi_ps(a, b);
  const __m256 cd = _mm256_unpacklo_ps(c, d), cd2 = _mm256_unpackhi_ps(c, d);
  a = _mm256_shuffle_ps(ab, cd, 0x44);
  b = _mm256_shuffle_ps(ab, cd, 0xEE);
  c = _mm256_shuffle_ps(ab2, cd2, 0x44);
  d = _mm256_shuffle_ps(ab2, cd2, 0xEE);
#else
  const Vector ab = shuffled<0, 4, 1, 5>(a, b), ab2 = shuffled<2, 6, 3, 7>(a, b);
  const Vector cd = shuffled<0, 4, 1, 5>(c, d), cd2 = shuffled<2, 6, 3, 7>(c, d);
  a = shuffled<0, 1, 4, 5>(ab, cd);
  b = shuffled<2, 3, 6, 7>(ab, cd);
  c = shuffled<0, 1, 4, 5>(ab2, cd2);
  d = shuffled<2, 3, 6, 7>(ab2, cd2);
#endif
}
NOEMA_INLINE void transpose_quarters(Complex* x) {
  transpose_quarters(x[0].re, x[1].re, x[2].re, x[3].re);
  transpose_quarters(x[0].im, x[1].im, x[2].im, x[3].im);
}

#if NOEMA_LANES == 16
/// Quarter j of vector i becomes quarter i of vector j.
NOEMA_INLINE void exchange_quarters(Vector& a, Vector& b, Vector& c, Vector& d) {
  const __m512 ab = _mm512_shuffle_f32x4(a, b, 0x44), ab2 = _mm512_shuffle_f32x4(a, b, 0xEE);
  const __m512 cd = _mm512_shuffle_f32x4(c, d, 0x44), cd2 = _mm512_shuffle_f32x4(c, d, 0xEE);
  a = _mm512_shuffle_f32x4(ab, cd, 0x88);
  b = _mm512_shuffle_f32x4(ab, cd, 0xDD);
  c = _mm512_shuffle_f32x4(ab2, cd2, 0x88);
  d = _mm512_shuffle_f32x4(ab2, cd2, 0xDD);
}
NOEMA_INLINE void exchange_quarters(Complex* x) {
  exchange_quarters(x[0].re, x[1].re, x[2].re, x[3].re);
  exchange_quarters(x[0].im, x[1].im, x[2].im, x[3].im);
}
#elif NOEMA_LANES == 8
/// The same of halves, for the first two and the last two vectors.
NOEMA_INLINE void exchange_halves(Vector& a, Vector& b) {
  const __m256 low = _mm256_permute2f128_ps(a, b, 0x20), high = _mm256_permute2f128_ps(a, b, 0x31);
  a = low;
  b = high;
}
NOEMA_INLINE void exchange_quarters(Complex* x) {
  for (int i = 0; i < 4; i += 2) {
    exchange_halves(x[i].re, x[i + 1].re);
    exchange_halves(x[i].im, x[i + 1].im);
  }
}
#else
NOEMA_INLINE void exchange_quarters(Complex*) {}
#endif

/// Lane j of vector i becomes lane i of vector j, of as many vectors as lanes.
NOEMA_INLINE void transpose(Vector* x) {
  for (int i = 0; i < kLanes; i += 4) transpose_quarters(x[i], x[i + 1], x[i + 2], x[i + 3]);
#if NOEMA_LANES == 16
  for (int i = 0; i < 4; ++i) exchange_quarters(x[i], x[4 + i], x[8 + i], x[12 + i]);
#elif NOEMA_LANES == 8
  for (int i = 0; i < 4; ++i) exchange_halves(x[i], x[4 + i]);
#endif
}

/// Complex vectors of roots for each four vectors: those between quarters, then the three within them.
constexpr int kOuterRoots = kLanes == 16 ? 3 : (kLanes == 8 ? 2 : 0);
constexpr int kVectorRoots = kOuterRoots + 3;

/// Four factors z^lanes − e^{iθ} down to single values.
NOEMA_INLINE void split_four(Complex* x, const float* roots) {
  exchange_quarters(x);
  if constexpr (kLanes == 16) split_in_registers<4, false>(x, [=](int p) { return load(roots + (p - 1) * kPair); });
  if constexpr (kLanes == 8) {
    butterfly(x[0], x[1], load(roots));
    butterfly(x[2], x[3], load(roots + kPair));
  }
  transpose_quarters(x);
  roots += kOuterRoots * kPair;
  split_in_registers<4, false>(x, [=](int p) { return load(roots + (p - 1) * kPair); });
}

NOEMA_INLINE void join_four(Complex* x, const float* roots) {
  const float* inner = roots + kOuterRoots * kPair;
  join_in_registers<4>(x, [=](int p) { return load(inner + (p - 1) * kPair); });
  transpose_quarters(x);
  if constexpr (kLanes == 16) join_in_registers<4>(x, [=](int p) { return load(roots + (p - 1) * kPair); });
  if constexpr (kLanes == 8) {
    join_in_registers<2>(x, [=](int) { return load(roots); });
    join_in_registers<2>(x + 2, [=](int) { return load(roots + kPair); });
  }
  exchange_quarters(x);
}

}  // namespace
}  // namespace noema::cpu
