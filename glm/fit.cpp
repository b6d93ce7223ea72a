#include "noema/glm/fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <utility>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/core/parallel.h"
#include "noema/glm/least_squares.h"

namespace noema {
namespace {

constexpr std::size_t kBlock = 256;  // voxels whose series fit the second cache
constexpr int kBins = 100;           // ρ is cut to 1/kBins
// The quotient of two averages over different counts may leave the range in which AR(1) noise is stationary.
constexpr double kLargestRho = 0.99;

std::vector<std::int64_t> kept_volumes(Eigen::Index volumes, std::span<const std::uint8_t> keep) {
  std::vector<std::int64_t> kept;
  for (Eigen::Index t = 0; t < volumes; ++t) {
    if (keep.empty() || keep[static_cast<std::size_t>(t)] != 0) kept.push_back(t);
  }
  return kept;
}

/// The series of some voxels at the kept volumes, in double precision.
template <class Data>
MatrixD gather(const Data& data, std::span<const std::int64_t> kept, std::span<const std::int64_t> voxels) {
  MatrixD block(kept.size(), voxels.size());
  for (std::size_t row = 0; row < kept.size(); ++row) {
    const auto* from = data.data() + kept[row] * data.cols();
    double* to = block.data() + row * voxels.size();
    for (std::size_t v = 0; v < voxels.size(); ++v) to[v] = static_cast<double>(from[voxels[v]]);
  }
  return block;
}

/// Blocks of voxels of a fixed size, so that results do not depend on how threads share them.
std::vector<std::span<const std::int64_t>> blocks_of(std::span<const std::int64_t> voxels) {
  std::vector<std::span<const std::int64_t>> blocks;
  for (std::size_t begin = 0; begin < voxels.size(); begin += kBlock) {
    blocks.push_back(voxels.subspan(begin, std::min(kBlock, voxels.size() - begin)));
  }
  return blocks;
}

void for_each_block(std::span<const std::int64_t> voxels,
                    const std::function<void(std::span<const std::int64_t>)>& work) {
  const auto blocks = blocks_of(voxels);
  parallel_tasks(std::ssize(blocks), [&](std::int64_t block) {
    check_cancelled();
    work(blocks[static_cast<std::size_t>(block)]);
  });
}

template <class Data>
class Fitter {
 public:
  Fitter(const Data& data, const DesignMatrix& design, std::span<const std::uint8_t> keep)
      : data_(data), kept_(kept_volumes(data.rows(), keep)), gaps_(gaps_between(kept_)) {
    design_ = design.values(kept_, Eigen::all);
    fit_.names = design.names;
    voxels_.resize(static_cast<std::size_t>(data.cols()));
    std::iota(voxels_.begin(), voxels_.end(), std::int64_t{0});
  }

  GlmFit run(NoiseModel noise) {
    const LeastSquares plain = make_least_squares(design_);
    prepare(plain);
    if (noise == NoiseModel::ols) {
      for_each_block(voxels_, [&](std::span<const std::int64_t> block) { store(block, solve(block, plain, 0)); });
      fit_.groups = {{0, plain.covariance}};
    } else {
      fit_autoregressive(plain);
    }
    clear_constant_voxels();
    return std::move(fit_);
  }

 private:
  struct Solution {
    MatrixD coefficients;  // (P, B)
    MatrixD residuals;     // (n, B)
  };

  void prepare(const LeastSquares& plain) {
    const auto volumes = static_cast<Eigen::Index>(kept_.size());
    if (plain.rank >= volumes) {
      throw DataError(
          fmt::format("the design has {} independent columns for {} volumes, so nothing is left to estimate noise; use "
                      "fewer regressors, a lower high-pass cut-off or keep more volumes",
                      plain.rank, volumes));
    }
    if (plain.rank < design_.cols()) {
      log_warning(fmt::format(
          "the design has {} columns of which {} are independent; only contrasts that the others do not take the place "
          "of can be estimated",
          design_.cols(), plain.rank));
    }
    fit_.rank = plain.rank;
    fit_.df = static_cast<double>(volumes - plain.rank);
    fit_.estimable = plain.inverse * plain.design;
    fit_.coefficients.resize(design_.cols(), data_.cols());
    fit_.dispersion.resize(data_.cols());
    fit_.group_of_voxel.assign(voxels_.size(), 0);
    find_unusable_voxels();
  }

  void find_unusable_voxels() {
    constant_.assign(voxels_.size(), 0);
    std::atomic<std::int64_t> not_finite{0};
    for_each_block(voxels_, [&](std::span<const std::int64_t> block) {
      const MatrixD series = gather(data_, kept_, block);
      const Eigen::RowVectorXd first = series.row(0);
      const Eigen::RowVectorXd changes = (series.rowwise() - first).cwiseAbs().colwise().sum();
      for (std::size_t v = 0; v < block.size(); ++v) {
        const double change = changes[static_cast<Eigen::Index>(v)];
        if (!std::isfinite(change)) ++not_finite;
        constant_[static_cast<std::size_t>(block[v])] = change == 0 ? 1 : 0;
      }
    });
    if (not_finite > 0) {
      throw DataError(fmt::format("{} of {} voxels have values that are not finite; leave them out of the mask",
                                  not_finite.load(), voxels_.size()));
    }
  }

  Solution solve(std::span<const std::int64_t> block, const LeastSquares& model, double rho) const {
    Solution solution;
    solution.residuals = gather(data_, kept_, block);
    if (rho != 0) whiten(solution.residuals, rho, gaps_);
    solution.coefficients.noalias() = model.inverse * solution.residuals;
    solution.residuals.noalias() -= model.design * solution.coefficients;
    return solution;
  }

  void store(std::span<const std::int64_t> block, const Solution& solution) {
    const Eigen::RowVectorXd dispersion = solution.residuals.colwise().squaredNorm() / fit_.df;
    for (std::size_t v = 0; v < block.size(); ++v) {
      fit_.coefficients.col(block[v]) = solution.coefficients.col(static_cast<Eigen::Index>(v));
      fit_.dispersion[block[v]] = dispersion[static_cast<Eigen::Index>(v)];
    }
  }

  void fit_autoregressive(const LeastSquares& plain) {
    std::vector<int> bins(voxels_.size());
    for_each_block(voxels_, [&](std::span<const std::int64_t> block) {
      const Eigen::RowVectorXd rho = autocorrelation(solve(block, plain, 0).residuals);
      for (std::size_t v = 0; v < block.size(); ++v) {
        bins[static_cast<std::size_t>(block[v])] = static_cast<int>(rho[static_cast<Eigen::Index>(v)] * kBins);
      }
    });
    std::map<int, std::vector<std::int64_t>> voxels_of_bin;
    for (const std::int64_t voxel : voxels_) {
      const auto v = static_cast<std::size_t>(voxel);
      voxels_of_bin[constant_[v] != 0 ? 0 : bins[v]].push_back(voxel);
    }
    fit_groups({voxels_of_bin.begin(), voxels_of_bin.end()});
  }

  void fit_groups(const std::vector<std::pair<int, std::vector<std::int64_t>>>& groups) {
    std::vector<LeastSquares> models(groups.size());
    fit_.groups.resize(groups.size());
    parallel_tasks(std::ssize(groups), [&](std::int64_t index) {
      const auto g = static_cast<std::size_t>(index);
      const double rho = static_cast<double>(groups[g].first) / kBins;
      MatrixD whitened = design_;
      whiten(whitened, rho, gaps_);
      models[g] = make_least_squares(whitened);
      fit_.groups[g] = {rho, models[g].covariance};
      for (const std::int64_t voxel : groups[g].second) {
        fit_.group_of_voxel[static_cast<std::size_t>(voxel)] = static_cast<std::int32_t>(index);
      }
    });
    struct Piece {
      std::size_t group;
      std::span<const std::int64_t> voxels;
    };
    std::vector<Piece> pieces;
    for (std::size_t g = 0; g < groups.size(); ++g) {
      for (const auto& block : blocks_of(groups[g].second)) pieces.push_back({g, block});
    }
    parallel_tasks(std::ssize(pieces), [&](std::int64_t index) {
      check_cancelled();
      const auto& [group, block] = pieces[static_cast<std::size_t>(index)];
      store(block, solve(block, models[group], fit_.groups[group].rho));
    });
  }

  /// ρ of each column, from neighbours in time.
  Eigen::RowVectorXd autocorrelation(MatrixD residuals) const {
    const Eigen::RowVectorXd means = residuals.colwise().mean();
    residuals.rowwise() -= means;
    Eigen::RowVectorXd products = Eigen::RowVectorXd::Zero(residuals.cols());
    std::int64_t pairs = 0;
    for (Eigen::Index t = 1; t < residuals.rows(); ++t) {
      if (gaps_[static_cast<std::size_t>(t)] != 1) continue;
      products += residuals.row(t - 1).cwiseProduct(residuals.row(t));
      ++pairs;
    }
    if (pairs == 0) return products;
    const Eigen::RowVectorXd variances = residuals.colwise().squaredNorm() / static_cast<double>(residuals.rows());
    products /= static_cast<double>(pairs);
    return (variances.array() > 0).select(products.array() / variances.array(), 0).max(-kLargestRho).min(kLargestRho);
  }

  /// Rounding leaves a constant series with a meaningless quotient of effect and noise; 0 says what is known.
  void clear_constant_voxels() {
    for (std::size_t v = 0; v < constant_.size(); ++v) {
      if (constant_[v] == 0) continue;
      fit_.coefficients.col(static_cast<Eigen::Index>(v)).setZero();
      fit_.dispersion[static_cast<Eigen::Index>(v)] = 0;
      ++fit_.constant_voxels;
    }
  }

  const Data& data_;
  std::vector<std::int64_t> kept_;
  std::vector<std::int64_t> gaps_;
  Eigen::MatrixXd design_;  // (n, P)
  std::vector<std::int64_t> voxels_;
  std::vector<std::uint8_t> constant_;  // (V)
  GlmFit fit_;
};

template <class Data>
GlmFit fit_checked(const Data& data, const DesignMatrix& design, NoiseModel noise, std::span<const std::uint8_t> keep) {
  if (data.rows() != design.values.rows() || (!keep.empty() && std::ssize(keep) != data.rows()) || data.cols() == 0 ||
      design.values.cols() != std::ssize(design.names) || design.names.empty()) {
    throw ShapeError(fmt::format(
        "data are {} volumes × {} voxels, the design {} × {} with {} names, the marks of kept volumes {}; lengths must "
        "be equal and none empty",
        data.rows(), data.cols(), design.values.rows(), design.values.cols(), design.names.size(), keep.size()));
  }
  return Fitter(data, design, keep).run(noise);
}

}  // namespace

NoiseModel parse_noise_model(std::string_view name) {
  for (const NoiseModel noise : {NoiseModel::ols, NoiseModel::ar1}) {
    if (name == noise_model_name(noise)) return noise;
  }
  throw UsageError(fmt::format("no noise model is called '{}'; there are 'ols' and 'ar1'", name));
}

std::string_view noise_model_name(NoiseModel noise) { return noise == NoiseModel::ols ? "ols" : "ar1"; }

GlmFit fit_glm(const MatrixF& data, const DesignMatrix& design, NoiseModel noise, std::span<const std::uint8_t> keep) {
  return fit_checked(data, design, noise, keep);
}

GlmFit fit_glm(const MatrixD& data, const DesignMatrix& design, NoiseModel noise, std::span<const std::uint8_t> keep) {
  return fit_checked(data, design, noise, keep);
}

}  // namespace noema
