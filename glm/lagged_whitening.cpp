#include "noema/glm/lagged_whitening.h"

#include <algorithm>
#include <utility>

#include "noema/glm/dense_products.h"

namespace noema {
namespace {

constexpr Eigen::Index kVoxels = VoxelFactors::kVoxels;

std::vector<Eigen::Index> from_first(std::span<const std::int64_t> kept) {
  std::vector<Eigen::Index> places;
  for (const std::int64_t volume : kept) places.push_back(volume - kept.front());
  return places;
}

std::vector<Eigen::Index> between(const std::vector<Eigen::Index>& kept) {
  std::vector<Eigen::Index> dropped;
  for (std::size_t i = 1; i < kept.size(); ++i) {
    for (Eigen::Index volume = kept[i - 1] + 1; volume < kept[i]; ++volume) dropped.push_back(volume);
  }
  return dropped;
}

/// Columns of dropped volumes meet those of volumes up to `order` before.
Envelope envelope_of(const std::vector<Eigen::Index>& dropped, Eigen::Index rank, int order) {
  std::vector<Eigen::Index> first;
  Eigen::Index near = 0;
  for (const Eigen::Index volume : dropped) {
    while (dropped[static_cast<std::size_t>(near)] < volume - order) ++near;
    first.push_back(near);
  }
  first.resize(first.size() + static_cast<std::size_t>(rank), 0);
  return Envelope(std::move(first));
}

void whiten(MatrixD& rows, const MatrixD& rho) {
  for (Eigen::Index t = rows.rows() - 1; t > 0; --t) {
    for (Eigen::Index i = 1; i <= std::min(rho.rows(), t); ++i) {
      rows.row(t) -= rho.row(i - 1).cwiseProduct(rows.row(t - i));
    }
  }
}

void whiten_transposed(MatrixD& rows, const MatrixD& rho) {
  for (Eigen::Index t = 0; t < rows.rows(); ++t) {
    for (Eigen::Index i = 1; i <= std::min(rho.rows(), rows.rows() - 1 - t); ++i) {
      rows.row(t) -= rho.row(i - 1).cwiseProduct(rows.row(t + i));
    }
  }
}

}  // namespace

LaggedWhitening::LaggedWhitening(const Eigen::MatrixXd& basis, std::span<const std::int64_t> kept, int order)
    : order_(order),
      kept_(from_first(kept)),
      dropped_(between(kept_)),
      transposed_basis_(basis.transpose()),
      envelope_(envelope_of(dropped_, basis.cols(), order)) {
  make_terms(basis);
}

void LaggedWhitening::make_terms(const Eigen::MatrixXd& basis) {
  Eigen::MatrixXd columns = Eigen::MatrixXd::Zero(volumes(), envelope_.rows());
  for (Eigen::Index d = 0; d < dropped(); ++d) columns(dropped_[static_cast<std::size_t>(d)], d) = 1;
  columns(kept_, Eigen::seqN(dropped(), basis.cols())) = basis;
  std::vector<Eigen::MatrixXd> lagged;
  for (Eigen::Index lag = 0; lag <= order_; ++lag) {
    lagged.push_back(Eigen::MatrixXd::Zero(volumes(), columns.cols()));
    const Eigen::Index later = std::max<Eigen::Index>(0, volumes() - lag);
    lagged.back().bottomRows(later) = columns.topRows(later);
  }
  terms_.resize(envelope_.size(), (order_ + 1) * (order_ + 2) / 2);
  Eigen::Index pair = 0;
  for (std::size_t i = 0; i < lagged.size(); ++i) {
    for (std::size_t j = i; j < lagged.size(); ++j, ++pair) {
      Eigen::MatrixXd product = lagged[i].transpose() * lagged[j];
      if (i != j) product += product.transpose().eval();
      for (Eigen::Index row = 0; row < product.rows(); ++row) {
        for (Eigen::Index column = envelope_.firsts()[row]; column <= row; ++column) {
          terms_(envelope_.begins()[row] + column, pair) = product(row, column);
        }
      }
    }
  }
}

MatrixD LaggedWhitening::spread(MatrixD rows) const {
  if (dropped_.empty()) return rows;
  MatrixD all = MatrixD::Zero(volumes(), rows.cols());
  all(kept_, Eigen::all) = rows;
  return all;
}

/// Of voxels `first` to `first + 7`; where there are fewer the last one fills the rest.
void LaggedWhitening::factorise(const MatrixD& rho, Eigen::Index first, VoxelFactors& factors) const {
  MatrixD shares(terms_.cols(), kVoxels);
  for (Eigen::Index lane = 0; lane < kVoxels; ++lane) {
    const Eigen::Index voxel = std::min(first + lane, rho.cols() - 1);
    const auto weight = [&](Eigen::Index lag) { return lag == 0 ? 1 : -rho(lag - 1, voxel); };
    Eigen::Index pair = 0;
    for (Eigen::Index i = 0; i <= order_; ++i) {
      for (Eigen::Index j = i; j <= order_; ++j) shares(pair++, lane) = weight(i) * weight(j);
    }
  }
  factors.compute(envelope_, terms_, shares);
}

WhitenedFit LaggedWhitening::fit(MatrixD rows, const MatrixD& rho) const {
  MatrixD all = spread(std::move(rows));
  whiten(all, rho);
  WhitenedFit result{MatrixD(transposed_basis_.rows(), rho.cols()), all.colwise().squaredNorm()};
  whiten_transposed(all, rho);
  MatrixD targets(envelope_.rows(), rho.cols());
  targets.topRows(dropped()) = all(dropped_, Eigen::all);
  targets.bottomRows(transposed_basis_.rows()) = dropped_.empty()
                                                     ? dense_product(transposed_basis_, all)
                                                     : dense_product(transposed_basis_, all(kept_, Eigen::all).eval());
  VoxelFactors factors;
  MatrixD of_voxels = MatrixD::Zero(envelope_.rows(), kVoxels);
  for (Eigen::Index v = 0; v < rho.cols(); v += kVoxels) {
    const Eigen::Index count = std::min(kVoxels, rho.cols() - v);
    factorise(rho, v, factors);
    of_voxels.leftCols(count) = targets.middleCols(v, count);
    factors.solve_lower(of_voxels);
    const Eigen::RowVectorXd told = of_voxels.leftCols(count).colwise().squaredNorm();
    factors.solve_upper(of_voxels, dropped());
    result.coefficients.middleCols(v, count) = of_voxels.bottomLeftCorner(result.coefficients.rows(), count);
    result.squares.segment(v, count) = (result.squares.segment(v, count) - told).cwiseMax(0);
  }
  return result;
}

MatrixD LaggedWhitening::covariances(const MatrixD& rho, std::span<const Eigen::MatrixXd> questions) const {
  Eigen::Index size = 0;
  for (const Eigen::MatrixXd& question : questions) size += question.cols() * (question.cols() + 1) / 2;
  MatrixD triangles(size, rho.cols());
  VoxelFactors factors;
  for (Eigen::Index v = 0; v < rho.cols(); v += kVoxels) {
    const Eigen::Index count = std::min(kVoxels, rho.cols() - v);
    factorise(rho, v, factors);
    Eigen::Index place = 0;
    for (const Eigen::MatrixXd& question : questions) {
      std::vector<MatrixD> halves;
      for (Eigen::Index i = 0; i < question.cols(); ++i) {
        MatrixD half = MatrixD::Zero(envelope_.rows(), kVoxels);
        half.bottomRows(question.rows()) = question.col(i).replicate(1, kVoxels);
        factors.solve_lower(half, dropped());
        halves.push_back(std::move(half));
        for (const MatrixD& other : halves) {
          triangles.row(place++).segment(v, count) = halves.back().cwiseProduct(other).colwise().sum().leftCols(count);
        }
      }
    }
  }
  return triangles;
}

}  // namespace noema
