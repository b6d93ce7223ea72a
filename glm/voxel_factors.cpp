#include "noema/glm/voxel_factors.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "noema/preprocess/simd.h"

#define NOEMA_INLINE __attribute__((always_inline)) inline

namespace noema {
namespace {

using Index = Eigen::Index;

constexpr Index kLanes = VoxelFactors::kVoxels;
constexpr Index kRows = 4;  // eliminated at once: their sums stay in registers

using Wide = double __attribute__((vector_size(kLanes * sizeof(double))));

NOEMA_INLINE void load(const double* from, Wide& values) { std::memcpy(&values, from, sizeof(Wide)); }
NOEMA_INLINE void store(const Wide& values, double* to) { std::memcpy(to, &values, sizeof(Wide)); }

/// Rows of a lower triangle: `begins` and `firsts` as in an envelope.
template <class Value>
struct Triangle {
  Value* values;
  const Index* begins;
  const Index* firsts;
};

/// Where the value of (row, 0) would lie.
template <class Value>
NOEMA_INLINE Value* row_of(const Triangle<Value>& lower, Index row) {
  return lower.values + lower.begins[row] * kLanes;
}

NOEMA_SIMD_CLONES
void add_terms(const double* terms, const double* shares, Index entries, Index count, double* sums) {
  for (Index e = 0; e < entries; ++e) {
    Wide sum = {}, share;
    for (Index p = 0; p < count; ++p) {
      load(shares + p * kLanes, share);
      sum += terms[e * count + p] * share;
    }
    store(sum, sums + e * kLanes);
  }
}

/// Columns [from, to) of the factor's rows `row` to `row + R − 1`, which begin at the same column.
template <Index R>
NOEMA_INLINE void eliminate(const Triangle<double>& lower, Index row, Index from, Index to) {
  const Index first = lower.firsts[row];
  double* rows[R];
  for (Index r = 0; r < R; ++r) rows[r] = row_of(lower, row + r);
  for (Index j = std::max(first, from); j < to; ++j) {
    const double* other = row_of(lower, j);
    Wide sums[R], left, right;
    for (Index r = 0; r < R; ++r) load(rows[r] + j * kLanes, sums[r]);
    for (Index k = std::max(first, lower.firsts[j]); k < j; ++k) {
      load(other + k * kLanes, right);
      for (Index r = 0; r < R; ++r) {
        load(rows[r] + k * kLanes, left);
        sums[r] -= left * right;
      }
    }
    load(other + j * kLanes, right);
    for (Index r = 0; r < R; ++r) store(sums[r] * right, rows[r] + j * kLanes);
  }
}

NOEMA_SIMD_CLONES
void eliminate_one(const Triangle<double>& lower, Index row, Index from, Index to) {
  eliminate<1>(lower, row, from, to);
}

NOEMA_SIMD_CLONES
void eliminate_four(const Triangle<double>& lower, Index row, Index to) { eliminate<kRows>(lower, row, 0, to); }

/// The inverse of the factor's diagonal.
NOEMA_SIMD_CLONES
void pivot(const Triangle<double>& lower, Index row) {
  double* values = row_of(lower, row);
  Wide sum, left;
  load(values + row * kLanes, sum);
  for (Index k = lower.firsts[row]; k < row; ++k) {
    load(values + k * kLanes, left);
    sum -= left * left;
  }
  store(sum, values + row * kLanes);
  for (Index lane = 0; lane < kLanes; ++lane) values[row * kLanes + lane] = 1 / std::sqrt(values[row * kLanes + lane]);
}

NOEMA_SIMD_CLONES
void forward(const Triangle<const double>& lower, Index rows, Index from, double* x) {
  for (Index i = from; i < rows; ++i) {
    const double* row = row_of(lower, i);
    Wide sum, left, right;
    load(x + i * kLanes, sum);
    for (Index k = std::max(from, lower.firsts[i]); k < i; ++k) {
      load(row + k * kLanes, left);
      load(x + k * kLanes, right);
      sum -= left * right;
    }
    load(row + i * kLanes, left);
    store(sum * left, x + i * kLanes);
  }
}

NOEMA_SIMD_CLONES
void backward(const Triangle<const double>& lower, Index rows, Index from, double* x) {
  for (Index i = rows - 1; i >= from; --i) {
    const double* row = row_of(lower, i);
    Wide own, left, other;
    load(row + i * kLanes, left);
    load(x + i * kLanes, own);
    own *= left;
    store(own, x + i * kLanes);
    for (Index k = std::max(from, lower.firsts[i]); k < i; ++k) {
      load(row + k * kLanes, left);
      load(x + k * kLanes, other);
      store(other - left * own, x + k * kLanes);
    }
  }
}

}  // namespace

Envelope::Envelope(std::vector<Index> first) : first_(std::move(first)) {
  for (Index row = 0; row < rows(); ++row) {
    begin_.push_back(size_ - first_[static_cast<std::size_t>(row)]);
    size_ += row - first_[static_cast<std::size_t>(row)] + 1;
  }
}

void VoxelFactors::compute(const Envelope& envelope, const MatrixD& terms, const MatrixD& shares) {
  envelope_ = &envelope;
  lower_.resize(envelope.size(), kLanes);
  add_terms(terms.data(), shares.data(), terms.rows(), terms.cols(), lower_.data());
  const Triangle<double> lower{lower_.data(), envelope.begins(), envelope.firsts()};
  for (Index row = 0; row < envelope.rows();) {
    bool is_block = row + kRows <= envelope.rows();
    for (Index r = 0; is_block && r < kRows; ++r) is_block = lower.firsts[row + r] == 0;
    const Index count = is_block ? kRows : 1;
    if (is_block) eliminate_four(lower, row, row);
    for (Index r = 0; r < count; ++r) {
      eliminate_one(lower, row + r, is_block ? row : 0, row + r);
      pivot(lower, row + r);
    }
    row += count;
  }
}

void VoxelFactors::solve_lower(MatrixD& x, Index from) const {
  const Triangle<const double> lower{lower_.data(), envelope_->begins(), envelope_->firsts()};
  forward(lower, envelope_->rows(), from, x.data());
}

void VoxelFactors::solve_upper(MatrixD& x, Index from) const {
  const Triangle<const double> lower{lower_.data(), envelope_->begins(), envelope_->firsts()};
  backward(lower, envelope_->rows(), from, x.data());
}

}  // namespace noema
