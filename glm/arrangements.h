// glm/arrangements: the orders or signs of rows that a permutation test looks at.
#pragma once

#include <Eigen/Core>
#include <cstdint>

namespace noema {

/// All arrangements of `rows` rows besides the one that was observed where `most` suffice for them, else `most` random
/// ones. The k-th depends on (seed, k) alone.
class Arrangements {
 public:
  enum class Kind : std::uint8_t { orders, signs };

  /// @throws UsageError unless `most` ≥ 1; DataError for fewer than two rows.
  Arrangements(Kind kind, std::int64_t rows, std::int64_t most, std::uint64_t seed);

  std::int64_t count() const { return count_; }
  bool exhaustive() const { return exhaustive_; }
  /// `matrix` (rows, M) with its rows in the k-th order, or with the k-th signs. k in [0, count).
  Eigen::MatrixXd apply(std::int64_t k, const Eigen::MatrixXd& matrix) const;

 private:
  Kind kind_;
  std::int64_t rows_;
  std::uint64_t seed_;
  std::int64_t count_;
  bool exhaustive_ = false;
};

}  // namespace noema
