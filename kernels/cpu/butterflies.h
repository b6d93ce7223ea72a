// kernels/cpu/butterflies: one butterfly of each radix within registers; for files of one instruction level, and, with
// vectors of one float, for the threads of a GPU.
#pragma once

#include "noema/kernels/cpu/vectors.h"

namespace noema::cpu {
namespace {

/// x[k] ← Σ x[p]·e^{2πi·kp/R}.
template <int R>
NOEMA_INLINE void dft(Complex* x) {
  static_assert(R == 2 || R == 3 || R == 4 || R == 5 || R == 8);
  if constexpr (R == 2) {
    const Complex a = x[0];
    x[0] = a + x[1];
    x[1] = a - x[1];
  } else if constexpr (R == 3) {
    constexpr float kSin = 0.86602540378443864676F;
    const Complex sum = x[1] + x[2], difference = scaled(x[1] - x[2], kSin);
    const Complex middle = minus_scaled(x[0], 0.5F, sum);
    x[0] = x[0] + sum;
    x[1] = plus_i(middle, difference);
    x[2] = minus_i(middle, difference);
  } else if constexpr (R == 4) {
    const Complex a = x[0] + x[2], b = x[0] - x[2], c = x[1] + x[3], d = x[1] - x[3];
    x[0] = a + c;
    x[1] = plus_i(b, d);
    x[2] = a - c;
    x[3] = minus_i(b, d);
  } else if constexpr (R == 5) {
    constexpr float kCos1 = 0.30901699437494742410F, kCos2 = -0.80901699437494742410F;
    constexpr float kSin1 = 0.95105651629515357212F, kSin2 = 0.58778525229247312917F;
    const Complex s1 = x[1] + x[4], d1 = x[1] - x[4], s2 = x[2] + x[3], d2 = x[2] - x[3];
    const Complex m1 = plus_scaled(plus_scaled(x[0], kCos1, s1), kCos2, s2);
    const Complex m2 = plus_scaled(plus_scaled(x[0], kCos2, s1), kCos1, s2);
    const Complex n1 = plus_scaled(scaled(d1, kSin1), kSin2, d2);
    const Complex n2 = minus_scaled(scaled(d1, kSin2), kSin1, d2);
    x[0] = x[0] + s1 + s2;
    x[1] = plus_i(m1, n1);
    x[4] = minus_i(m1, n1);
    x[2] = plus_i(m2, n2);
    x[3] = minus_i(m2, n2);
  } else {
    constexpr float kHalf = 0.70710678118654752440F;
    Complex even[4] = {x[0], x[2], x[4], x[6]}, odd[4] = {x[1], x[3], x[5], x[7]};
    dft<4>(even);
    dft<4>(odd);
    const Complex turned1 = plus_i(odd[1], odd[1]), turned3 = minus_i(odd[3], odd[3]);  // both times √2
    x[0] = even[0] + odd[0];
    x[4] = even[0] - odd[0];
    x[1] = plus_scaled(even[1], kHalf, turned1);
    x[5] = minus_scaled(even[1], kHalf, turned1);
    x[2] = plus_i(even[2], odd[2]);
    x[6] = minus_i(even[2], odd[2]);
    x[3] = minus_scaled(even[3], kHalf, turned3);
    x[7] = plus_scaled(even[3], kHalf, turned3);
  }
}

/// x[k] ← Σ (w^p·x[p])·e^{2πi·kp/R}, with `root(p)` = w^p. `kReal`: all imaginary parts are zero.
template <int R, bool kReal, class Root>
NOEMA_INLINE void split_in_registers(Complex* x, const Root& root) {
  if constexpr (R == 4 || R == 8) {
    constexpr int kHalf = R / 2;
    const Complex first = root(kHalf);
    for (int p = 0; p < kHalf; ++p) {
      if constexpr (kReal) {
        butterfly_real(x[p], x[p + kHalf], first);
      } else {
        butterfly(x[p], x[p + kHalf], first);
      }
    }
    if constexpr (R == 8) {
      const Complex second = root(2);
      butterfly(x[0], x[2], second);
      butterfly(x[1], x[3], second);
      butterfly_i(x[4], x[6], second);
      butterfly_i(x[5], x[7], second);
      const Complex last = root(1), turned = root(8);
      butterfly(x[0], x[1], last);
      butterfly_i(x[2], x[3], last);
      butterfly(x[4], x[5], turned);
      butterfly_i(x[6], x[7], turned);
      const Complex y[8] = {x[0], x[4], x[2], x[6], x[1], x[5], x[3], x[7]};
      for (int k = 0; k < 8; ++k) x[k] = y[k];
    } else {
      const Complex last = root(1);
      butterfly(x[0], x[1], last);
      butterfly_i(x[2], x[3], last);
      const Complex y[4] = {x[0], x[2], x[1], x[3]};
      for (int k = 0; k < 4; ++k) x[k] = y[k];
    }
  } else {
    for (int p = 1; p < R; ++p) {
      const Complex w = root(p);
      x[p] = kReal ? Complex{x[p].re * w.re, x[p].re * w.im} : x[p] * w;
    }
    dft<R>(x);
  }
}

/// R times the inverse of split_in_registers.
template <int R, class Root>
NOEMA_INLINE void join_in_registers(Complex* x, const Root& root) {
  dft<R>(x);
  Complex y[R];
  for (int p = 1; p < R; ++p) y[p] = times_conjugate(x[R - p], root(p));
  for (int p = 1; p < R; ++p) x[p] = y[p];
}

}  // namespace
}  // namespace noema::cpu
