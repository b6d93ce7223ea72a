#include "noema/glm/arrangements.h"

#include <fmt/format.h>

#include <numeric>
#include <vector>

#include "noema/core/error.h"
#include "noema/core/random.h"

namespace noema {
namespace {

/// How many arrangements there are, or `limit` where there are more.
std::int64_t all_of(Arrangements::Kind kind, std::int64_t rows, std::int64_t limit) {
  std::int64_t all = 1;
  for (std::int64_t row = 1; row <= rows; ++row) {
    const std::int64_t factor = kind == Arrangements::Kind::signs ? 2 : row;
    if (all > limit / factor) return limit;
    all *= factor;
  }
  return all;
}

/// The k-th of all orders; 0 is the one of rising numbers.
std::vector<std::int64_t> order_of(std::int64_t k, std::int64_t rows) {
  std::vector<std::int64_t> left(static_cast<std::size_t>(rows)), order;
  std::iota(left.begin(), left.end(), 0);
  for (std::int64_t size = rows; size > 0; --size) {
    order.push_back(left[static_cast<std::size_t>(k % size)]);
    left.erase(left.begin() + k % size);
    k /= size;
  }
  return order;
}

}  // namespace

Arrangements::Arrangements(Kind kind, std::int64_t rows, std::int64_t most, std::uint64_t seed)
    : kind_(kind), rows_(rows), seed_(seed), count_(most) {
  if (most < 1) throw UsageError(fmt::format("found {} permutations, expected at least one", most));
  if (rows < 2) throw DataError(fmt::format("a permutation test needs at least two rows; got {}", rows));
  const std::int64_t all = all_of(kind, rows, most + 2);
  exhaustive_ = all - 1 <= most;
  if (exhaustive_) count_ = all - 1;
}

Eigen::MatrixXd Arrangements::apply(std::int64_t k, const Eigen::MatrixXd& matrix) const {
  const auto number = static_cast<std::uint64_t>(k + 1);  // of all arrangements the first is the observed one
  RandomStream random(seed_, "permutations", {number});
  if (kind_ == Kind::orders) {
    return matrix(exhaustive_ ? order_of(k + 1, rows_) : random.permutation(rows_), Eigen::all);
  }
  Eigen::MatrixXd signed_rows = matrix;
  std::uint64_t bits = number;
  for (std::int64_t row = 0; row < rows_; ++row) {
    if (!exhaustive_ && row % 64 == 0) bits = random.next();
    if ((bits & 1) != 0) signed_rows.row(row) *= -1;
    bits >>= 1;
  }
  return signed_rows;
}

}  // namespace noema
