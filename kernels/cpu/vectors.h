// kernels/cpu/vectors: vectors of NOEMA_LANES floats and complex numbers of them. Only for files that are compiled for
// one instruction level each; all here is inlined, so that nothing of one level is shared with another. A GPU's threads
// have vectors of one float.
#pragma once

#include <cstdint>

#if NOEMA_LANES > 4
#include <immintrin.h>
#endif

namespace noema::cpu {
namespace {

#if defined(__CUDACC__)
#define NOEMA_INLINE __device__ __forceinline__
#else
#define NOEMA_INLINE inline __attribute__((always_inline))
#endif

constexpr int kLanes = NOEMA_LANES;
constexpr int kPair = 2 * kLanes;  // floats of one complex vector
#if NOEMA_LANES == 1
using Vector = float;
#else
using Vector = float __attribute__((vector_size(kLanes * sizeof(float))));
using LooseVector = float __attribute__((vector_size(kLanes * sizeof(float)), aligned(4), may_alias));

NOEMA_INLINE Vector load_loose(const float* x) { return *reinterpret_cast<const LooseVector*>(x); }
NOEMA_INLINE void store_loose(float* x, Vector a) { *reinterpret_cast<LooseVector*>(x) = a; }
NOEMA_INLINE Vector all_lanes(float x) { return x - Vector{}; }
#endif
NOEMA_INLINE Vector all_lanes(Vector x) { return x; }

/// a·b + c and c − a·b, each in one rounding where the level has that. (The compiler's own contraction computes
/// products twice when both a sum and a difference need them.)
NOEMA_INLINE Vector fma(Vector a, Vector b, Vector c) {
#if NOEMA_LANES == 16
  return _mm512_fmadd_ps(a, b, c);
#elif NOEMA_LANES == 8
  return _mm256_fmadd_ps(a, b, c);
#else
  return a * b + c;
#endif
}
NOEMA_INLINE Vector fnma(Vector a, Vector b, Vector c) {
#if NOEMA_LANES == 16
  return _mm512_fnmadd_ps(a, b, c);
#elif NOEMA_LANES == 8
  return _mm256_fnmadd_ps(a, b, c);
#else
  return c - a * b;
#endif
}

#if NOEMA_LANES == 1
struct alignas(8) Complex {  // so that it is loaded and stored at once
  Vector re, im;
};
#else
struct Complex {
  Vector re, im;
};

NOEMA_INLINE Complex load(const float* x) {
  return {*reinterpret_cast<const Vector*>(x), *reinterpret_cast<const Vector*>(x + kLanes)};
}
NOEMA_INLINE void store(float* x, const Complex& a) {
  *reinterpret_cast<Vector*>(x) = a.re;
  *reinterpret_cast<Vector*>(x + kLanes) = a.im;
}
#endif
NOEMA_INLINE Complex operator+(const Complex& a, const Complex& b) { return {a.re + b.re, a.im + b.im}; }
NOEMA_INLINE Complex operator-(const Complex& a, const Complex& b) { return {a.re - b.re, a.im - b.im}; }
NOEMA_INLINE Complex operator*(const Complex& a, const Complex& b) {
  return {fnma(a.im, b.im, a.re * b.re), fma(a.re, b.im, a.im * b.re)};
}
/// a·conj(b).
NOEMA_INLINE Complex times_conjugate(const Complex& a, const Complex& b) {
  return {fma(a.im, b.im, a.re * b.re), fnma(a.re, b.im, a.im * b.re)};
}
NOEMA_INLINE Complex times_i(const Complex& a) { return {-a.im, a.re}; }
/// a + i·b and a − i·b.
NOEMA_INLINE Complex plus_i(const Complex& a, const Complex& b) { return {a.re - b.im, a.im + b.re}; }
NOEMA_INLINE Complex minus_i(const Complex& a, const Complex& b) { return {a.re + b.im, a.im - b.re}; }
/// a + f·b and a − f·b for a real f.
NOEMA_INLINE Complex plus_scaled(const Complex& a, float f, const Complex& b) {
  return {fma(all_lanes(f), b.re, a.re), fma(all_lanes(f), b.im, a.im)};
}
NOEMA_INLINE Complex minus_scaled(const Complex& a, float f, const Complex& b) {
  return {fnma(all_lanes(f), b.re, a.re), fnma(all_lanes(f), b.im, a.im)};
}
NOEMA_INLINE Complex scaled(const Complex& a, float f) { return {a.re * f, a.im * f}; }

/// (a, b) ← (a + w·b, a − w·b), the second as 2a minus the first: six instructions.
NOEMA_INLINE void butterfly(Complex& a, Complex& b, const Complex& w) {
  const Complex sum{fma(w.re, b.re, fnma(w.im, b.im, a.re)), fma(w.re, b.im, fma(w.im, b.re, a.im))};
  b = {fma(all_lanes(2.0F), a.re, -sum.re), fma(all_lanes(2.0F), a.im, -sum.im)};
  a = sum;
}
/// (a, b) ← (a + iw·b, a − iw·b).
NOEMA_INLINE void butterfly_i(Complex& a, Complex& b, const Complex& w) {
  const Complex sum{fnma(w.re, b.im, fnma(w.im, b.re, a.re)), fma(w.re, b.re, fnma(w.im, b.im, a.im))};
  b = {fma(all_lanes(2.0F), a.re, -sum.re), fma(all_lanes(2.0F), a.im, -sum.im)};
  a = sum;
}
/// As butterfly, of numbers whose imaginary parts are zero.
NOEMA_INLINE void butterfly_real(Complex& a, Complex& b, const Complex& w) {
  const Vector re = a.re, im = w.im * b.re;
  a = {fma(w.re, b.re, re), im};
  b = {fnma(w.re, b.re, re), -im};
}

}  // namespace
}  // namespace noema::cpu
