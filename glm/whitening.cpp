#include "noema/glm/whitening.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace noema {
namespace {

std::vector<std::int64_t> gaps_between(std::span<const std::int64_t> kept) {
  std::vector<std::int64_t> gaps(kept.size(), 0);
  for (std::size_t i = 1; i < kept.size(); ++i) gaps[i] = kept[i] - kept[i - 1];
  return gaps;
}

/// How many rows before each row follow one another without a gap, up to `order`.
std::vector<Eigen::Index> reach_of(const std::vector<std::int64_t>& gaps, int order) {
  std::vector<Eigen::Index> reach(gaps.size(), 0);
  for (std::size_t t = 1; t < gaps.size(); ++t) {
    reach[t] = gaps[t] == 1 ? std::min<Eigen::Index>(reach[t - 1] + 1, order) : 0;
  }
  return reach;
}

}  // namespace

Whitening::Whitening(Eigen::MatrixXd basis, std::span<const std::int64_t> kept, int order)
    : basis_(std::move(basis)), order_(order), gaps_(gaps_between(kept)), reach_(reach_of(gaps_, order)) {
  if (order_ > 1) make_lagged_products();
  const std::size_t places = order_ == 0 ? 1 : order_ == 1 ? 2 * kBins + 1 : 0;
  for (std::size_t place = 0; place < places; ++place) shared_.push_back(std::make_unique<Shared>());
}

std::vector<std::optional<Whitening::GapRow>> Whitening::gap_rows(const MatrixD& rho) const {
  std::vector<std::optional<GapRow>> rows(gaps_.size());
  if (order_ != 1) return rows;
  for (std::size_t t = 1; t < gaps_.size(); ++t) {
    if (gaps_[t] == 1) continue;
    const Eigen::RowVectorXd remembered =
        rho.row(0).unaryExpr([&](double r) { return std::pow(r, static_cast<int>(gaps_[t])); });
    const Eigen::RowVectorXd scale =
        ((1 - rho.row(0).array().square()) / (1 - remembered.array().square())).sqrt().matrix();
    rows[t] = {scale, scale.cwiseProduct(remembered)};
  }
  return rows;
}

void Whitening::whiten(MatrixD& rows, const MatrixD& rho, const std::vector<std::optional<GapRow>>& gaps) const {
  for (Eigen::Index t = rows.rows() - 1; t > 0; --t) {
    const auto& gap = gaps[static_cast<std::size_t>(t)];
    if (gap) {
      rows.row(t) = rows.row(t).cwiseProduct(gap->scale) - rows.row(t - 1).cwiseProduct(gap->remembered);
    }
    for (Eigen::Index i = 1; i <= reach_[static_cast<std::size_t>(t)]; ++i) {
      rows.row(t) -= rho.row(i - 1).cwiseProduct(rows.row(t - i));
    }
  }
}

void Whitening::whiten_transposed(MatrixD& rows, const MatrixD& rho,
                                  const std::vector<std::optional<GapRow>>& gaps) const {
  for (Eigen::Index t = 0; t < rows.rows(); ++t) {
    if (const auto& own = gaps[static_cast<std::size_t>(t)]) rows.row(t) = rows.row(t).cwiseProduct(own->scale).eval();
    for (Eigen::Index i = 1; i <= std::min<Eigen::Index>(order_, rows.rows() - 1 - t); ++i) {
      const auto later = static_cast<std::size_t>(t + i);
      if (i == 1 && gaps[later]) {
        rows.row(t) -= gaps[later]->remembered.cwiseProduct(rows.row(t + 1));
      } else if (i <= reach_[later]) {
        rows.row(t) -= rho.row(i - 1).cwiseProduct(rows.row(t + i));
      }
    }
  }
}

Eigen::RowVectorXd Whitening::apply_twice(MatrixD& rows, const MatrixD& rho) const {
  const auto gaps = gap_rows(rho);
  whiten(rows, rho, gaps);
  const Eigen::RowVectorXd squares = rows.colwise().squaredNorm();
  whiten_transposed(rows, rho, gaps);
  return squares;
}

void Whitening::make_lagged_products() {
  const Eigen::Index rank = basis_.cols();
  std::vector<Eigen::MatrixXd> lagged;
  for (Eigen::Index lag = 0; lag <= order_; ++lag) {
    lagged.push_back(Eigen::MatrixXd::Zero(basis_.rows(), rank));
    for (Eigen::Index t = lag; t < basis_.rows(); ++t) {
      if (lag <= reach_[static_cast<std::size_t>(t)]) lagged.back().row(t) = basis_.row(t - lag);
    }
  }
  const Eigen::Index pairs = (order_ + 1) * (order_ + 2) / 2;
  lagged_products_.resize(rank * rank, pairs);
  Eigen::Index pair = 0;
  for (std::size_t i = 0; i < lagged.size(); ++i) {
    for (std::size_t j = i; j < lagged.size(); ++j) {
      Eigen::MatrixXd product = lagged[i].transpose() * lagged[j];
      if (i != j) product += product.transpose().eval();
      lagged_products_.col(pair++) = product.reshaped();
    }
  }
}

std::optional<std::size_t> Whitening::shared_place(const Eigen::Ref<const Eigen::VectorXd>& rho) const {
  if (order_ == 0) return 0;
  if (order_ > 1) return std::nullopt;
  return static_cast<std::size_t>(std::lround(rho[0] * kBins) + kBins);
}

const CholeskyFactor& Whitening::factor(const Eigen::Ref<const Eigen::VectorXd>& rho, CholeskyFactor& scratch) const {
  if (const auto place = shared_place(rho)) {
    Shared& shared = *shared_[*place];
    std::call_once(shared.once, [&] {
      MatrixD whitened = basis_;
      const MatrixD same = rho.replicate(1, basis_.cols());
      whiten(whitened, same, gap_rows(same));
      shared.factor.compute(whitened.transpose() * whitened);
    });
    return shared.factor;
  }
  Eigen::VectorXd products(lagged_products_.cols());
  const auto weight = [&](Eigen::Index lag) { return lag == 0 ? 1 : -rho[lag - 1]; };
  Eigen::Index pair = 0;
  for (Eigen::Index i = 0; i <= order_; ++i) {
    for (Eigen::Index j = i; j <= order_; ++j) products[pair++] = weight(i) * weight(j);
  }
  const Eigen::VectorXd gram = lagged_products_ * products;
  scratch.compute(gram.reshaped(basis_.cols(), basis_.cols()));
  return scratch;
}

}  // namespace noema
