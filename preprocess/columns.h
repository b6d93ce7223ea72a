// preprocess/columns: the loops over all columns of a row-major matrix that cleaning consists of, for a pass each.
#pragma once

#include <cstdint>

namespace noema::columns {

/// `rows` rows of `columns` values; a row begins `stride` values after the one before.
template <class Scalar>
struct View {
  Scalar* data;
  std::int64_t rows;
  std::int64_t columns;
  std::int64_t stride;
};

/// to[t·columns + f] = from(row[t], f), as doubles, for t of `rows`.
void gather(const View<const float>& from, const std::int64_t* row, std::int64_t rows, double* to);
void gather(const View<const double>& from, const std::int64_t* row, std::int64_t rows, double* to);
/// to(row[t], f) = from[t·columns + f].
void scatter(const double* from, const std::int64_t* row, std::int64_t rows, const View<float>& to);
void scatter(const double* from, const std::int64_t* row, std::int64_t rows, const View<double>& to);

// Of contiguous (rows, columns); the results are one value for each column.

/// Σ x
void sums(const double* x, std::int64_t rows, std::int64_t columns, double* sum);
/// Σ |x − x₀|: 0 where a column is constant.
void spreads(const double* x, std::int64_t rows, std::int64_t columns, double* spread);
/// x −= shift; Σ x²
void shift_and_sum_squares(double* x, std::int64_t rows, std::int64_t columns, const double* shift, double* squares);
/// x −= shift; Σ weight[t]·x
void shift_and_weigh(double* x, std::int64_t rows, std::int64_t columns, const double* shift, const double* weight,
                     double* sum);
/// x −= weight[t]·slope
void remove_weighted(double* x, std::int64_t rows, std::int64_t columns, const double* weight, const double* slope);
/// x *= factor
void scale(double* x, std::int64_t rows, std::int64_t columns, const double* factor);
/// x += shift
void shift(double* x, std::int64_t rows, std::int64_t columns, const double* shift);

}  // namespace noema::columns
