// glm/whitening: taking the memory out of autoregressive noise, in data and design alike. Used by fit.cpp and
// contrast.cpp alone.
#pragma once

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "noema/io/series.h"

namespace noema {

using CholeskyFactor = Eigen::LLT<Eigen::MatrixXd>;

/// The whitening W of noise of one order, at the volumes `kept`, and what it makes of an orthonormal basis Q (n, r) of
/// the design.
///
/// Row t becomes x_t − Σ ρ_i x_{t−i}; the first rows keep partial sums. Order 1: a row that follows k−1 dropped volumes
/// becomes (x_t − ρᵏ x_{t−1})·√((1−ρ²)/(1−ρ²ᵏ)), as AR(1) noise with gaps asks for. Higher orders begin anew after a
/// gap.
class Whitening {
 public:
  Whitening(Eigen::MatrixXd basis, std::span<const std::int64_t> kept, int order);

  int order() const { return order_; }

  /// Rows ← WᵀW·rows, each column with its own ρ (order, B). Returns the squared norm of each column of W·rows.
  Eigen::RowVectorXd apply_twice(MatrixD& rows, const MatrixD& rho) const;

  /// Cholesky factor (r, r) of QᵀWᵀWQ for one ρ, which `apply_twice`'s rows need for least squares. Kept for orders 0
  /// and 1, where ρ is in hundredths and voxels share it; else made in `scratch`.
  const CholeskyFactor& factor(const Eigen::Ref<const Eigen::VectorXd>& rho, CholeskyFactor& scratch) const;
  /// Voxels of one place share a factor; nothing for orders in which each voxel has its own.
  std::optional<std::size_t> shared_place(const Eigen::Ref<const Eigen::VectorXd>& rho) const;
  std::size_t shared_places() const { return shared_.size(); }

  /// Parts of a unit to which the ρ of order 1 is cut.
  static constexpr int kBins = 100;

 private:
  struct GapRow {
    Eigen::RowVectorXd scale, remembered;
  };
  struct Shared {
    std::once_flag once;
    CholeskyFactor factor;
  };

  std::vector<std::optional<GapRow>> gap_rows(const MatrixD& rho) const;
  void whiten(MatrixD& rows, const MatrixD& rho, const std::vector<std::optional<GapRow>>& gaps) const;
  void whiten_transposed(MatrixD& rows, const MatrixD& rho, const std::vector<std::optional<GapRow>>& gaps) const;
  void make_lagged_products();

  Eigen::MatrixXd basis_;
  int order_;
  std::vector<std::int64_t> gaps_;   // volumes from the row before; 0 for the first
  std::vector<Eigen::Index> reach_;  // rows before that a row may be predicted from
  /// (r², pairs i ≤ j ≤ order): (LᵢQ)ᵀLⱼQ and, for i < j, its transpose on top, of orders above 1.
  Eigen::MatrixXd lagged_products_;
  std::vector<std::unique_ptr<Shared>> shared_;
};

}  // namespace noema
