#include "noema/glm/permutation.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/distributions/fisher_f.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <limits>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/parallel.h"
#include "noema/core/progress.h"
#include "noema/glm/arrangements.h"
#include "noema/glm/clusters.h"
#include "noema/glm/permuted_model.h"
#include "noema/glm/tfce.h"

namespace noema {
namespace {

constexpr std::int64_t kBatch = 32;       // arrangements of one matrix product
constexpr std::int64_t kBatchOfMaps = 8;  // where whole maps are kept
constexpr Eigen::Index kBlock = 1024;     // voxels of one matrix product: the product stays in cache
constexpr double kTieTolerance = 1e-9;    // of the observed value: as large, but for rounding

struct Maxima {
  double voxels = 0, tfce = 0;  // voxels: t or F
  ClusterExtremes clusters;
};

/// What is computed for the observed arrangement and for each other one.
class RearrangedFit {
 public:
  RearrangedFit(PermutedModel model, const Mask* mask, const PermutedOlsOptions& options)
      : model_(std::move(model)), mask_(mask), options_(options) {
    if (model_.df_numerator > 0) options_.two_sided = false;  // F is large whatever the signs
    tfce_options_.two_sided = options_.two_sided;
    if (options_.cluster_forming_p) threshold_ = height_of(*options_.cluster_forming_p);
  }

  const PermutedModel& model() const { return model_; }
  bool two_sided() const { return options_.two_sided; }
  double threshold() const { return threshold_; }
  TfceOptions tfce_options() const { return tfce_options_; }

  /// (K, V): t or F of each arranged model.
  MatrixD maps(const std::vector<Eigen::MatrixXd>& models) const {
    const MatrixD stacked = stacked_models(models);
    MatrixD maps(static_cast<Eigen::Index>(models.size()), voxels());
    for (Eigen::Index v = 0; v < maps.cols(); v += kBlock) {
      const Eigen::Index width = std::min(kBlock, maps.cols() - v);
      maps.middleCols(v, width) = permuted_statistic(model_, stacked, v, width);
    }
    return maps;
  }

  std::vector<Maxima> maxima(const std::vector<Eigen::MatrixXd>& models) const {
    std::vector<Maxima> found(models.size());
    if (options_.tfce || options_.cluster_forming_p) {
      maxima_of_maps(maps(models), found);
      return found;
    }
    const MatrixD stacked = stacked_models(models);
    for (Maxima& entry : found) entry.voxels = -std::numeric_limits<double>::infinity();
    for (Eigen::Index v = 0; v < voxels(); v += kBlock) {
      const MatrixD maps = permuted_statistic(model_, stacked, v, std::min(kBlock, voxels() - v));
      for (Eigen::Index k = 0; k < maps.rows(); ++k) {
        Maxima& entry = found[static_cast<std::size_t>(k)];
        entry.voxels = std::max(entry.voxels, largest(maps.row(k)));
      }
    }
    return found;
  }

 private:
  Eigen::Index voxels() const { return model_.data.front().cols(); }

  double largest(const auto& map) const { return options_.two_sided ? map.cwiseAbs().maxCoeff() : map.maxCoeff(); }

  /// The t or F of an uncorrected p.
  double height_of(double p) const {
    using namespace boost::math;
    if (model_.df_numerator > 0) return quantile(complement(fisher_f(model_.df_numerator, model_.df), p));
    return quantile(complement(students_t(model_.df), options_.two_sided ? p / 2 : p));
  }

  void maxima_of_maps(const MatrixD& maps, std::vector<Maxima>& found) const {
    std::optional<ClusterFinder> finder;
    std::optional<Tfce> enhancer;
    if (options_.cluster_forming_p) finder.emplace(*mask_);
    if (options_.tfce) enhancer.emplace(*mask_, tfce_options_);
    Eigen::VectorXd enhanced(maps.cols());
    for (Eigen::Index k = 0; k < maps.rows(); ++k) {
      Maxima& entry = found[static_cast<std::size_t>(k)];
      const std::span<const double> map(maps.row(k).data(), static_cast<std::size_t>(maps.cols()));
      entry.voxels = largest(maps.row(k));
      if (finder) entry.clusters = largest_clusters(*finder, map, threshold_, options_.two_sided);
      if (!enhancer) continue;
      enhancer->enhance(map, {enhanced.data(), map.size()});
      entry.tfce = largest(enhanced);
    }
  }

  PermutedModel model_;
  const Mask* mask_;
  PermutedOlsOptions options_;
  TfceOptions tfce_options_;
  double threshold_ = 0;
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
  const Eigen::VectorXd& stat = result.voxels.stat;
  Eigen::VectorXd size = Eigen::VectorXd::Zero(stat.size()), mass = size;
  ClusterFinder finder(mask);
  for (const int sign : {1, -1}) {
    if (sign < 0 && !two_sided) break;
    finder.find({stat.data(), static_cast<std::size_t>(stat.size())}, result.cluster_threshold, sign,
                [&](auto members) {
                  double sum = 0;
                  for (const std::int32_t v : members) sum += std::abs(stat[v]) - result.cluster_threshold;
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

PermutedOlsResult permute(std::span<const MatrixD> data, const TestedVariate& variate, PermutedStatistic statistic,
                          const Mask* mask, const PermutedOlsOptions& options) {
  for (const MatrixD& effect : data) check(effect, mask, options);
  const RearrangedFit test(make_permuted_model(data, variate, statistic), mask, options);
  const Arrangements arrangements(test.model().kind, data.front().rows(), options.permutations, options.seed);
  const std::vector<Maxima> maxima =
      maxima_of(test, arrangements, options.tfce || options.cluster_forming_p.has_value());

  PermutedOlsResult result;
  result.df = test.model().df;
  result.df_numerator = test.model().df_numerator;
  result.permutations = arrangements.count();
  result.exhaustive = arrangements.exhaustive();
  result.flips_signs = test.model().kind == Arrangements::Kind::signs;
  result.constant_voxels = test.model().constant_voxels;
  const Eigen::VectorXd stat = test.maps({test.model().model}).row(0).transpose();
  result.voxels = corrected(stat, maxima, test.two_sided(), [](const Maxima& m) { return m.voxels; });
  if (options.tfce) {
    Eigen::VectorXd enhanced(stat.size());
    const auto voxels = static_cast<std::size_t>(stat.size());
    Tfce(*mask, test.tfce_options()).enhance({stat.data(), voxels}, {enhanced.data(), voxels});
    result.tfce = corrected(enhanced, maxima, test.two_sided(), [](const Maxima& m) { return m.tfce; });
  }
  if (options.cluster_forming_p) {
    result.cluster_threshold = test.threshold();
    add_clusters(result, maxima, *mask, test.two_sided());
  }
  return result;
}

}  // namespace

PermutedOlsResult permuted_ols(const MatrixD& data, const Eigen::VectorXd& tested, const MatrixD& confounds,
                               const Mask* mask, const PermutedOlsOptions& options) {
  return permute({&data, 1}, variate_of_columns(tested, confounds, options.model_intercept), PermutedStatistic::t, mask,
                 options);
}

PermutedOlsResult permuted_contrast(const MatrixD& data, const DesignMatrix& design, const Eigen::VectorXd& weights,
                                    const Mask* mask, const PermutedOlsOptions& options) {
  return permute({&data, 1}, variate_of_contrast(design, weights.transpose()), PermutedStatistic::t, mask, options);
}

PermutedOlsResult permuted_f_contrast(const MatrixD& data, const DesignMatrix& design, const Eigen::MatrixXd& rows,
                                      const Mask* mask, const PermutedOlsOptions& options) {
  return permute({&data, 1}, variate_of_contrast(design, rows), PermutedStatistic::f, mask, options);
}

PermutedOlsResult permuted_joint_contrast(std::span<const MatrixD> effects, const DesignMatrix& design,
                                          const Eigen::VectorXd& weights, const Mask* mask,
                                          const PermutedOlsOptions& options) {
  if (effects.empty()) throw UsageError("a joint permutation test of effects needs effects; got none");
  for (const MatrixD& effect : effects) {
    if (effect.cols() == effects.front().cols()) continue;
    throw ShapeError(fmt::format("a joint permutation test got effects of {} and of {} voxels, expected the same",
                                 effects.front().cols(), effect.cols()));
  }
  return permute(effects, variate_of_contrast(design, weights.transpose()), PermutedStatistic::f, mask, options);
}

}  // namespace noema
