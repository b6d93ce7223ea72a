#include "noema/preprocess/columns.h"

#include <algorithm>
#include <cmath>

#include "noema/preprocess/simd.h"

// Loops run over the columns of a row, so that they become vector instructions and each column's sum has one order,
// that of time, whatever the width of the vectors.
namespace noema::columns {
namespace {

// Not templates: the compiler clones only plain functions.
NOEMA_SIMD_CLONES void copy_row(const float* from, double* to, std::int64_t n) {
#pragma GCC ivdep
  for (std::int64_t f = 0; f < n; ++f) to[f] = static_cast<double>(from[f]);
}

NOEMA_SIMD_CLONES void copy_row(const double* from, float* to, std::int64_t n) {
#pragma GCC ivdep
  for (std::int64_t f = 0; f < n; ++f) to[f] = static_cast<float>(from[f]);
}

void copy_row(const double* from, double* to, std::int64_t n) { std::copy_n(from, n, to); }

template <class Scalar>
void gather_rows(const View<const Scalar>& from, const std::int64_t* row, std::int64_t rows, double* to) {
  for (std::int64_t t = 0; t < rows; ++t)
    copy_row(from.data + row[t] * from.stride, to + t * from.columns, from.columns);
}

template <class Scalar>
void scatter_rows(const double* from, const std::int64_t* row, std::int64_t rows, const View<Scalar>& to) {
  for (std::int64_t t = 0; t < rows; ++t) copy_row(from + t * to.columns, to.data + row[t] * to.stride, to.columns);
}

}  // namespace

void gather(const View<const float>& from, const std::int64_t* row, std::int64_t rows, double* to) {
  gather_rows(from, row, rows, to);
}

void gather(const View<const double>& from, const std::int64_t* row, std::int64_t rows, double* to) {
  gather_rows(from, row, rows, to);
}

void scatter(const double* from, const std::int64_t* row, std::int64_t rows, const View<float>& to) {
  scatter_rows(from, row, rows, to);
}

void scatter(const double* from, const std::int64_t* row, std::int64_t rows, const View<double>& to) {
  scatter_rows(from, row, rows, to);
}

NOEMA_SIMD_CLONES void sums(const double* x, std::int64_t rows, std::int64_t columns, double* sum) {
  std::fill_n(sum, columns, 0.0);
  for (std::int64_t t = 0; t < rows; ++t, x += columns) {
#pragma GCC ivdep
    for (std::int64_t f = 0; f < columns; ++f) sum[f] += x[f];
  }
}

NOEMA_SIMD_CLONES void spreads(const double* x, std::int64_t rows, std::int64_t columns, double* spread) {
  std::fill_n(spread, columns, 0.0);
  const double* first = x;
  for (std::int64_t t = 0; t < rows; ++t, x += columns) {
#pragma GCC ivdep
    for (std::int64_t f = 0; f < columns; ++f) spread[f] += std::abs(x[f] - first[f]);
  }
}

NOEMA_SIMD_CLONES void shift_and_sum_squares(double* x, std::int64_t rows, std::int64_t columns, const double* shift,
                                             double* squares) {
  std::fill_n(squares, columns, 0.0);
  for (std::int64_t t = 0; t < rows; ++t, x += columns) {
#pragma GCC ivdep
    for (std::int64_t f = 0; f < columns; ++f) {
      x[f] -= shift[f];
      squares[f] += x[f] * x[f];
    }
  }
}

NOEMA_SIMD_CLONES void shift_and_weigh(double* x, std::int64_t rows, std::int64_t columns, const double* shift,
                                       const double* weight, double* sum) {
  std::fill_n(sum, columns, 0.0);
  for (std::int64_t t = 0; t < rows; ++t, x += columns) {
    const double w = weight[t];
#pragma GCC ivdep
    for (std::int64_t f = 0; f < columns; ++f) {
      x[f] -= shift[f];
      sum[f] += w * x[f];
    }
  }
}

NOEMA_SIMD_CLONES void remove_weighted(double* x, std::int64_t rows, std::int64_t columns, const double* weight,
                                       const double* slope) {
  for (std::int64_t t = 0; t < rows; ++t, x += columns) {
    const double w = weight[t];
#pragma GCC ivdep
    for (std::int64_t f = 0; f < columns; ++f) x[f] -= w * slope[f];
  }
}

NOEMA_SIMD_CLONES void scale(double* x, std::int64_t rows, std::int64_t columns, const double* factor) {
  for (std::int64_t t = 0; t < rows; ++t, x += columns) {
#pragma GCC ivdep
    for (std::int64_t f = 0; f < columns; ++f) x[f] *= factor[f];
  }
}

NOEMA_SIMD_CLONES void shift(double* x, std::int64_t rows, std::int64_t columns, const double* shift) {
  for (std::int64_t t = 0; t < rows; ++t, x += columns) {
#pragma GCC ivdep
    for (std::int64_t f = 0; f < columns; ++f) x[f] += shift[f];
  }
}

}  // namespace noema::columns
