#include "noema/glm/whitening.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "noema/glm/dense_products.h"
#include "noema/glm/lagged_whitening.h"

namespace noema {
namespace {

std::vector<std::int64_t> gaps_between(std::span<const std::int64_t> kept) {
  std::vector<std::int64_t> gaps(kept.size(), 0);
  for (std::size_t i = 1; i < kept.size(); ++i) gaps[i] = kept[i] - kept[i - 1];
  return gaps;
}

/// Orders 0 and 1, whose ρ is in hundredths. A row that follows k−1 dropped volumes becomes
/// (x_t − ρᵏ x_{t−1})·√((1−ρ²)/(1−ρ²ᵏ)).
class SharedWhitening final : public Whitening {
 public:
  SharedWhitening(Eigen::MatrixXd basis, std::span<const std::int64_t> kept, int order)
      : basis_(std::move(basis)), transposed_basis_(basis_.transpose()), order_(order), gaps_(gaps_between(kept)) {
    const std::size_t places = order_ == 0 ? 1 : 2 * kBins + 1;
    for (std::size_t place = 0; place < places; ++place) shared_.push_back(std::make_unique<Shared>());
  }

  WhitenedFit fit(MatrixD rows, const MatrixD& rho) const override {
    const auto gaps = gap_rows(rho);
    whiten(rows, rho, gaps);
    Eigen::RowVectorXd squares = rows.colwise().squaredNorm();
    whiten_transposed(rows, rho, gaps);
    MatrixD coefficients = dense_product(transposed_basis_, rows);
    for (Eigen::Index v = 0; v < rho.cols(); ++v) {
      const Eigen::VectorXd target = coefficients.col(v);
      const Eigen::VectorXd solution = factor(rho.col(v)).solve(target);
      squares[v] = std::max(0.0, squares[v] - solution.dot(target));
      coefficients.col(v) = solution;
    }
    return {std::move(coefficients), std::move(squares)};
  }

  MatrixD covariances(const MatrixD& rho, std::span<const Eigen::MatrixXd> questions) const override {
    std::vector<Eigen::VectorXd> known(shared_.size());
    MatrixD triangles;
    for (Eigen::Index v = 0; v < rho.cols(); ++v) {
      Eigen::VectorXd& own = known[place_of(rho.col(v))];
      if (own.size() == 0) own = triangles_of(factor(rho.col(v)), questions);
      if (triangles.size() == 0) triangles.resize(own.size(), rho.cols());
      triangles.col(v) = own;
    }
    return triangles;
  }

 private:
  using Factor = Eigen::LLT<Eigen::MatrixXd>;

  struct GapRow {
    Eigen::RowVectorXd scale, remembered;
  };
  struct Shared {
    std::once_flag once;
    Factor factor;
  };
  using Rho = Eigen::Ref<const Eigen::VectorXd>;

  static Eigen::VectorXd triangles_of(const Factor& factor, std::span<const Eigen::MatrixXd> questions) {
    std::vector<double> triangles;
    for (const Eigen::MatrixXd& question : questions) {
      const Eigen::MatrixXd half = factor.matrixL().solve(question);
      for (Eigen::Index i = 0; i < half.cols(); ++i) {
        for (Eigen::Index j = 0; j <= i; ++j) triangles.push_back(half.col(i).dot(half.col(j)));
      }
    }
    return Eigen::Map<const Eigen::VectorXd>(triangles.data(), std::ssize(triangles));
  }

  std::vector<std::optional<GapRow>> gap_rows(const MatrixD& rho) const {
    std::vector<std::optional<GapRow>> rows(gaps_.size());
    for (std::size_t t = 1; order_ == 1 && t < gaps_.size(); ++t) {
      if (gaps_[t] == 1) continue;
      const Eigen::RowVectorXd remembered =
          rho.row(0).unaryExpr([&](double r) { return std::pow(r, static_cast<int>(gaps_[t])); });
      const Eigen::RowVectorXd scale =
          ((1 - rho.row(0).array().square()) / (1 - remembered.array().square())).sqrt().matrix();
      rows[t] = {scale, scale.cwiseProduct(remembered)};
    }
    return rows;
  }

  void whiten(MatrixD& rows, const MatrixD& rho, const std::vector<std::optional<GapRow>>& gaps) const {
    for (Eigen::Index t = rows.rows() - 1; order_ == 1 && t > 0; --t) {
      if (const auto& gap = gaps[static_cast<std::size_t>(t)]) {
        rows.row(t) = rows.row(t).cwiseProduct(gap->scale) - rows.row(t - 1).cwiseProduct(gap->remembered);
      } else {
        rows.row(t) -= rho.row(0).cwiseProduct(rows.row(t - 1));
      }
    }
  }

  void whiten_transposed(MatrixD& rows, const MatrixD& rho, const std::vector<std::optional<GapRow>>& gaps) const {
    for (Eigen::Index t = 0; order_ == 1 && t < rows.rows(); ++t) {
      const auto now = static_cast<std::size_t>(t);
      if (gaps[now]) rows.row(t) = rows.row(t).cwiseProduct(gaps[now]->scale).eval();
      if (t + 1 == rows.rows()) break;
      const Eigen::RowVectorXd remembered = gaps[now + 1] ? gaps[now + 1]->remembered : Eigen::RowVectorXd(rho.row(0));
      rows.row(t) -= remembered.cwiseProduct(rows.row(t + 1));
    }
  }

  std::size_t place_of(const Rho& rho) const {
    return order_ == 0 ? 0 : static_cast<std::size_t>(std::lround(rho[0] * kBins) + kBins);
  }

  /// Of QᵀWᵀWQ.
  const Factor& factor(const Rho& rho) const {
    Shared& shared = *shared_[place_of(rho)];
    std::call_once(shared.once, [&] {
      MatrixD whitened = basis_;
      const MatrixD same = rho.replicate(1, basis_.cols());
      whiten(whitened, same, gap_rows(same));
      shared.factor.compute(whitened.transpose() * whitened);
    });
    return shared.factor;
  }

  Eigen::MatrixXd basis_;
  MatrixD transposed_basis_;
  int order_;
  std::vector<std::int64_t> gaps_;  // volumes from the row before; 0 for the first
  std::vector<std::unique_ptr<Shared>> shared_;
};

}  // namespace

std::unique_ptr<const Whitening> make_whitening(Eigen::MatrixXd basis, std::span<const std::int64_t> kept, int order) {
  if (order <= 1) return std::make_unique<const SharedWhitening>(std::move(basis), kept, order);
  return std::make_unique<const LaggedWhitening>(std::move(basis), kept, order);
}

}  // namespace noema
