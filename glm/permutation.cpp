#include "noema/glm/permutation.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <limits>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/parallel.h"
#include "noema/core/progress.h"
#include "noema/glm/arrangements.h"
#include "noema/glm/clusters.h"
#include "noema/glm/dense_products.h"
#include "noema/glm/permuted_model.h"
#include "noema/glm/tfce.h"

namespace noema {
namespace {

constexpr std::int64_t kBatch = 32;       // arrangements of one matrix product
constexpr std::int64_t kBatchOfMaps = 8;  // where whole maps are kept
constexpr Eigen::Index kBlock = 1024;     // voxels of one matrix product: the product stays in cache
constexpr double kTieTolerance = 1e-9;    // of the observed value: as large, but for rounding
constexpr double kSmallestRest = 1e-15;   // of the squared length of a voxel's data, where the model explains all

struct Maxima {
  double t = 0, tfce = 0;
  ClusterExtremes clusters;
};

/// What is computed for the observed arrangement and for each other one.
class RearrangedFit {
 public:
  RearrangedFit(PermutedModel model, const Mask* mask, const PermutedOlsOptions& options)
      : model_(std::move(model)), mask_(mask), options_(options) {
    tfce_options_.two_sided = options.two_sided;
    if (options.cluster_forming_p) {
      const double tail = options.two_sided ? *options.cluster_forming_p / 2 : *options.cluster_forming_p;
      threshold_t_ = boost::math::quantile(boost::math::complement(boost::math::students_t(model_.df), tail));
    }
  }

  const PermutedModel& model() const { return model_; }
  double threshold_t() const { return threshold_t_; }
  TfceOptions tfce_options() const { return tfce_options_; }

  /// (K, V): t of each arranged model.
  MatrixD t_maps(const std::vector<Eigen::MatrixXd>& models) const {
    const MatrixD weights = stacked(models);
    MatrixD t(static_cast<Eigen::Index>(models.size()), model_.data.cols());
    for (Eigen::Index v = 0; v < t.cols(); v += kBlock) {
      const Eigen::Index width = std::min(kBlock, t.cols() - v);
      t.middleCols(v, width) = t_of_block(weights, t.rows(), v, width);
    }
    return t;
  }

  std::vector<Maxima> maxima(const std::vector<Eigen::MatrixXd>& models) const {
    std::vector<Maxima> found(models.size());
    if (options_.tfce || options_.cluster_forming_p) {
      maxima_of_maps(t_maps(models), found);
      return found;
    }
    const MatrixD weights = stacked(models);
    const auto count = static_cast<Eigen::Index>(models.size());
    for (Maxima& entry : found) entry.t = -std::numeric_limits<double>::infinity();
    for (Eigen::Index v = 0; v < model_.data.cols(); v += kBlock) {
      const MatrixD t = t_of_block(weights, count, v, std::min(kBlock, model_.data.cols() - v));
      for (Eigen::Index k = 0; k < count; ++k) {
        Maxima& entry = found[static_cast<std::size_t>(k)];
        entry.t = std::max(entry.t, largest(t.row(k)));
      }
    }
    return found;
  }

 private:
  double largest(const auto& t) const { return options_.two_sided ? t.cwiseAbs().maxCoeff() : t.maxCoeff(); }

  /// (K·M, n): the first column of each model, then the second of each …
  MatrixD stacked(const std::vector<Eigen::MatrixXd>& models) const {
    const auto count = static_cast<Eigen::Index>(models.size());
    MatrixD weights(count * model_.model.cols(), model_.model.rows());
    for (Eigen::Index k = 0; k < count; ++k) {
      for (Eigen::Index m = 0; m < model_.model.cols(); ++m) {
        weights.row(m * count + k) = models[static_cast<std::size_t>(k)].col(m).transpose();
      }
    }
    return weights;
  }

  /// t = b √(df / (1 − Σa² − b²)), where b and a are what the tested variate and the confounds share with the data.
  MatrixD t_of_block(const MatrixD& weights, Eigen::Index count, Eigen::Index begin, Eigen::Index width) const {
    const MatrixD shares = dense_product(weights, model_.data.middleCols(begin, width));
    MatrixD rest = 1 - shares.topRows(count).array().square();
    for (Eigen::Index m = 1; m < model_.model.cols(); ++m) {
      rest.array() -= shares.middleRows(m * count, count).array().square();
    }
    return shares.topRows(count).array() * (model_.df / rest.array().max(kSmallestRest)).sqrt();
  }

  void maxima_of_maps(const MatrixD& t, std::vector<Maxima>& found) const {
    std::optional<ClusterFinder> finder;
    std::optional<Tfce> enhancer;
    if (options_.cluster_forming_p) finder.emplace(*mask_);
    if (options_.tfce) enhancer.emplace(*mask_, tfce_options_);
    Eigen::VectorXd enhanced(t.cols());
    for (Eigen::Index k = 0; k < t.rows(); ++k) {
      Maxima& entry = found[static_cast<std::size_t>(k)];
      const std::span<const double> map(t.row(k).data(), static_cast<std::size_t>(t.cols()));
      entry.t = largest(t.row(k));
      if (finder) entry.clusters = largest_clusters(*finder, map, threshold_t_, options_.two_sided);
      if (!enhancer) continue;
      enhancer->enhance(map, {enhanced.data(), map.size()});
      entry.tfce = largest(enhanced);
    }
  }

  PermutedModel model_;
  const Mask* mask_;
  PermutedOlsOptions options_;
  TfceOptions tfce_options_;
  double threshold_t_ = 0;
};

std::vector<Maxima> maxima_of(const RearrangedFit& test, const Arrangements& arrangements, bool keeps_maps) {
  std::vector<Maxima> all(static_cast<std::size_t>(arrangements.count()));
  const std::int64_t batch = keeps_maps ? kBatchOfMaps : kBatch;
  Progress progress("permutations", arrangements.count());
  parallel_tasks((arrangements.count() + batch - 1) / batch, [&](std::int64_t task) {
    check_cancelled();
    const std::int64_t begin = task * batch, end = std::min(begin + batch, arrangements.count());
    std::vector<Eigen::MatrixXd> models;
    for (std::int64_t k = begin; k < end; ++k) models.push_back(arrangements.apply(k, test.model().model));
    const std::vector<Maxima> found = test.maxima(models);
    std::copy(found.begin(), found.end(), all.begin() + begin);
    progress.advance(end - begin);
  });
  return all;
}

/// @param stat    of each voxel, with its sign
/// @param maxima  of each arrangement
MaxTest corrected(Eigen::VectorXd stat, const std::vector<Maxima>& maxima, bool two_sided, auto value_of) {
  MaxTest test{std::move(stat), {}, {}};
  for (const Maxima& entry : maxima) test.null_maxima.push_back(static_cast<double>(value_of(entry)));
  std::sort(test.null_maxima.begin(), test.null_maxima.end());
  test.p.resize(test.stat.size());
  for (Eigen::Index v = 0; v < test.stat.size(); ++v) {
    const double observed = two_sided ? std::abs(test.stat[v]) : test.stat[v];
    const auto first = std::lower_bound(test.null_maxima.begin(), test.null_maxima.end(),
                                        observed - kTieTolerance * std::abs(observed));
    const auto as_large = static_cast<double>(test.null_maxima.end() - first);
    test.p[v] = (1 + as_large) / (1 + static_cast<double>(maxima.size()));
  }
  return test;
}

void add_clusters(PermutedOlsResult& result, const std::vector<Maxima>& maxima, const Mask& mask, bool two_sided) {
  const auto voxels = static_cast<std::size_t>(result.t.stat.size());
  Eigen::VectorXd size = Eigen::VectorXd::Zero(result.t.stat.size()), mass = size;
  ClusterFinder finder(mask);
  for (const int sign : {1, -1}) {
    if (sign < 0 && !two_sided) break;
    finder.find({result.t.stat.data(), voxels}, result.cluster_threshold_t, sign, [&](auto members) {
      double sum = 0;
      for (const std::int32_t v : members) sum += std::abs(result.t.stat[v]) - result.cluster_threshold_t;
      for (const std::int32_t v : members) {
        size[v] = static_cast<double>(members.size());
        mass[v] = sum;
      }
    });
  }
  result.cluster_size = corrected(size, maxima, false, [](const Maxima& m) { return m.clusters.size; });
  result.cluster_mass = corrected(mass, maxima, false, [](const Maxima& m) { return m.clusters.mass; });
}

void check(const MatrixD& data, const Mask* mask, const PermutedOlsOptions& options) {
  if (options.cluster_forming_p && !(*options.cluster_forming_p > 0 && *options.cluster_forming_p < 0.5)) {
    throw UsageError(
        fmt::format("found a cluster-forming p of {}, expected one between 0 and 0.5, such as 0.001 (a p "
                    "value, not a height)",
                    *options.cluster_forming_p));
  }
  if (mask == nullptr && (options.tfce || options.cluster_forming_p)) {
    throw UsageError("TFCE and clusters need the mask whose voxels the data are of");
  }
  if (mask != nullptr && mask->size() != data.cols()) {
    throw ShapeError(fmt::format("found data of {} voxels, expected the mask's {}", data.cols(), mask->size()));
  }
}

PermutedOlsResult permute(const MatrixD& data, const TestedVariate& variate, const Mask* mask,
                          const PermutedOlsOptions& options) {
  check(data, mask, options);
  const RearrangedFit test(make_permuted_model(data, variate), mask, options);
  const Arrangements arrangements(test.model().kind, data.rows(), options.permutations, options.seed);
  const std::vector<Maxima> maxima =
      maxima_of(test, arrangements, options.tfce || options.cluster_forming_p.has_value());

  PermutedOlsResult result;
  result.df = test.model().df;
  result.permutations = arrangements.count();
  result.exhaustive = arrangements.exhaustive();
  result.flips_signs = test.model().kind == Arrangements::Kind::signs;
  result.constant_voxels = test.model().constant_voxels;
  const Eigen::VectorXd t = test.t_maps({test.model().model}).row(0).transpose();
  result.t = corrected(t, maxima, options.two_sided, [](const Maxima& m) { return m.t; });
  if (options.tfce) {
    Eigen::VectorXd enhanced(t.size());
    const auto voxels = static_cast<std::size_t>(t.size());
    Tfce(*mask, test.tfce_options()).enhance({t.data(), voxels}, {enhanced.data(), voxels});
    result.tfce = corrected(enhanced, maxima, options.two_sided, [](const Maxima& m) { return m.tfce; });
  }
  if (options.cluster_forming_p) {
    result.cluster_threshold_t = test.threshold_t();
    add_clusters(result, maxima, *mask, options.two_sided);
  }
  return result;
}

}  // namespace

PermutedOlsResult permuted_ols(const MatrixD& data, const Eigen::VectorXd& tested, const MatrixD& confounds,
                               const Mask* mask, const PermutedOlsOptions& options) {
  return permute(data, variate_of_columns(tested, confounds, options.model_intercept), mask, options);
}

PermutedOlsResult permuted_contrast(const MatrixD& data, const DesignMatrix& design, const Eigen::VectorXd& weights,
                                    const Mask* mask, const PermutedOlsOptions& options) {
  return permute(data, variate_of_contrast(design, weights), mask, options);
}

}  // namespace noema
