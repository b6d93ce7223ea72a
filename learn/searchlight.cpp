#include "noema/learn/searchlight.h"

#include <fmt/format.h>

#include <Eigen/LU>
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/parallel.h"
#include "noema/core/progress.h"
#include "noema/learn/svc_solver.h"

namespace noema {
namespace {

constexpr double kSnap_mm = 1e-9;      // rounding of coordinates
constexpr double kTolerance = 1e-5;    // of the objective: on which side a sample falls is settled before
constexpr std::int64_t kCentres = 32;  // of one piece of work

/// One fold, ready for any sphere.
struct SearchFold {
  std::vector<int> train, test;
  std::vector<int> classes;            // labels that occur in training
  std::vector<Eigen::VectorXd> signs;  // of the training samples, for each problem
  Eigen::VectorXf mean, scale;         // (V)
  std::map<int, int> test_samples;     // by label
};

SearchFold make_fold(const FoldSamples& samples, std::span<const int> labels, const MatrixF& by_voxel,
               const SearchlightOptions& options) {
  SearchFold fold{samples.train, samples.test, {}, {}, {}, {}, {}};
  std::set<int> classes;
  for (const int n : fold.train) classes.insert(labels[static_cast<std::size_t>(n)]);
  if (classes.size() < 2 || fold.test.empty()) {
    throw DataError(
        fmt::format("a fold of the searchlight trains on {} labels and tests {} samples, expected two labels "
                    "and one sample at least",
                    classes.size(), fold.test.size()));
  }
  fold.classes.assign(classes.begin(), classes.end());
  for (std::size_t k = fold.classes.size() == 2 ? 1 : 0; k < fold.classes.size(); ++k) {
    Eigen::VectorXd signs(static_cast<Eigen::Index>(fold.train.size()));
    for (Eigen::Index n = 0; n < signs.size(); ++n) {
      signs[n] = labels[static_cast<std::size_t>(fold.train[static_cast<std::size_t>(n)])] == fold.classes[k] ? 1 : -1;
    }
    fold.signs.push_back(std::move(signs));
  }
  for (const int n : fold.test) ++fold.test_samples[labels[static_cast<std::size_t>(n)]];
  fold.mean = Eigen::VectorXf::Zero(by_voxel.rows());
  fold.scale = Eigen::VectorXf::Ones(by_voxel.rows());
  if (!options.standardize) return fold;
  for (Eigen::Index v = 0; v < by_voxel.rows(); ++v) {
    const Eigen::ArrayXd values = by_voxel.row(v)(fold.train).cast<double>().transpose();
    const double mean = values.mean();
    const double deviation = std::sqrt((values - mean).square().mean());
    fold.mean[v] = static_cast<float>(mean);
    fold.scale[v] = deviation > 1e-7 * std::abs(mean) ? static_cast<float>(1 / deviation) : 0;
  }
  return fold;
}

/// (samples, P + 1): the sphere's voxels, and 1.
Eigen::MatrixXd features_of(const MatrixF& by_voxel, std::span<const std::int32_t> sphere,
                            const std::vector<int>& samples, const SearchFold& fold) {
  Eigen::MatrixXd features(static_cast<Eigen::Index>(samples.size()), static_cast<Eigen::Index>(sphere.size()) + 1);
  for (std::size_t p = 0; p < sphere.size(); ++p) {
    const float* values = by_voxel.row(sphere[p]).data();
    const double mean = fold.mean[sphere[p]], scale = fold.scale[sphere[p]];
    double* column = features.col(static_cast<Eigen::Index>(p)).data();
    for (std::size_t n = 0; n < samples.size(); ++n) column[n] = (values[samples[n]] - mean) * scale;
  }
  features.rightCols(1).setOnes();
  return features;
}

/// Decisions of the test samples in each problem of the fold.
std::vector<Eigen::VectorXd> decisions_of(const SearchFold& fold, const Eigen::MatrixXd& train, const Eigen::MatrixXd& test,
                                          double strength) {
  std::vector<Eigen::VectorXd> decisions;
  const Eigen::Index width = train.cols() - 1;
  const bool by_features = train.cols() <= train.rows();
  Eigen::MatrixXd gram;
  if (!by_features) gram = train.leftCols(width) * train.leftCols(width).transpose();
  for (const Eigen::VectorXd& signs : fold.signs) {
    if (by_features) {
      decisions.emplace_back(test * solve_svc_by_features(train, signs, strength, kTolerance).coefficients);
    } else {
      const SvcSolution solution = solve_svc_by_rows(gram, signs, strength, SvcLoss::squared_hinge, {}, kTolerance);
      decisions.emplace_back(test * (train.transpose() * solution.coefficients));
    }
  }
  return decisions;
}

int predicted(const SearchFold& fold, const std::vector<Eigen::VectorXd>& decisions, Eigen::Index sample) {
  if (decisions.size() == 1) return fold.classes[decisions[0][sample] > 0 ? 1 : 0];
  std::size_t best = 0;
  for (std::size_t k = 1; k < decisions.size(); ++k) {
    if (decisions[k][sample] > decisions[best][sample]) best = k;
  }
  return fold.classes[best];
}

double score_of(const SearchFold& fold, const std::vector<Eigen::VectorXd>& decisions, std::span<const int> labels,
                bool balanced) {
  std::map<int, int> right;
  for (std::size_t n = 0; n < fold.test.size(); ++n) {
    const int label = labels[static_cast<std::size_t>(fold.test[n])];
    if (predicted(fold, decisions, static_cast<Eigen::Index>(n)) == label) ++right[label];
  }
  double sum = 0;
  for (const auto& [label, count] : right) {
    sum += balanced ? static_cast<double>(count) / fold.test_samples.at(label) : static_cast<double>(count);
  }
  return sum / static_cast<double>(balanced ? fold.test_samples.size() : fold.test.size());
}

void check(const MatrixF& samples, std::span<const int> labels, std::span<const FoldSamples> folds, const Mask& mask,
           std::span<const std::int32_t> centres) {
  const auto rows = static_cast<std::int64_t>(labels.size());
  if (samples.rows() != rows || samples.cols() != mask.size()) {
    throw ShapeError(fmt::format("found samples of {} × {}, expected {} labels × the mask's {} voxels", samples.rows(),
                                 samples.cols(), rows, mask.size()));
  }
  if (folds.empty()) throw DataError("a searchlight needs a fold at least");
  if (!samples.allFinite()) throw DataError("the samples of a searchlight are not finite");
  const auto outside = [](const auto& indices, std::int64_t count) {
    return std::any_of(indices.begin(), indices.end(), [&](auto index) { return index < 0 || index >= count; });
  };
  for (const FoldSamples& fold : folds) {
    if (outside(fold.train, rows) || outside(fold.test, rows)) {
      throw ShapeError(fmt::format("a fold of the searchlight names a sample that is not among the {}", rows));
    }
  }
  if (outside(centres, mask.size())) {
    throw ShapeError(fmt::format("a centre of the searchlight is not among the mask's {} voxels", mask.size()));
  }
}

}  // namespace

void SearchlightOptions::validate() const {
  if (radius_mm >= 0 && std::isfinite(radius_mm) && strength > 0 && std::isfinite(strength)) return;
  throw UsageError(fmt::format("a searchlight needs a radius of at least 0 and a positive strength; found {} mm and {}",
                               radius_mm, strength));
}

SphereSearch::SphereSearch(const Mask& mask, double radius_mm) : mask_(mask) {
  if (!(radius_mm >= 0 && std::isfinite(radius_mm))) {
    throw UsageError(fmt::format("spheres: found a radius of {} mm, expected at least 0", radius_mm));
  }
  index_of_.assign(static_cast<std::size_t>(mask.grid.voxel_count()), -1);
  for (std::size_t v = 0; v < mask.voxels.size(); ++v) {
    index_of_[static_cast<std::size_t>(mask.voxels[v])] = static_cast<std::int32_t>(v);
  }
  const Eigen::Matrix3d mm_from_step = mask.grid.ras_from_voxel.topLeftCorner<3, 3>();
  const Eigen::Matrix3d step_from_mm = mm_from_step.inverse();
  std::array<std::int64_t, 3> reach{};
  for (int a = 0; a < 3; ++a) {
    const double most = std::floor(radius_mm * step_from_mm.row(a).norm() + 1e-6);
    reach[static_cast<std::size_t>(a)] =
        std::min(static_cast<std::int64_t>(most), mask.grid.shape[static_cast<std::size_t>(a)]);
  }
  for (std::int64_t k = -reach[2]; k <= reach[2]; ++k) {
    for (std::int64_t j = -reach[1]; j <= reach[1]; ++j) {
      for (std::int64_t i = -reach[0]; i <= reach[0]; ++i) {
        const Eigen::Vector3d step(static_cast<double>(i), static_cast<double>(j), static_cast<double>(k));
        if ((mm_from_step * step).norm() <= radius_mm + kSnap_mm) {
          steps_.push_back({{i, j, k}, mask.grid.linear_index(i, j, k)});
        }
      }
    }
  }
}

std::vector<std::int32_t> SphereSearch::around(std::int32_t centre) const {
  const std::int64_t voxel = mask_.voxels[static_cast<std::size_t>(centre)];
  const std::array<std::int64_t, 3> at = mask_.grid.voxel_at(voxel);
  std::vector<std::int32_t> sphere;
  for (const Step& step : steps_) {
    bool is_inside = true;
    for (std::size_t a = 0; a < 3; ++a) {
      const std::int64_t place = at[a] + step.by[a];
      is_inside = is_inside && place >= 0 && place < mask_.grid.shape[a];
    }
    if (!is_inside) continue;
    const std::int32_t index = index_of_[static_cast<std::size_t>(voxel + step.linear)];
    if (index >= 0) sphere.push_back(index);
  }
  return sphere;
}

std::vector<float> searchlight(const MatrixF& samples, std::span<const int> labels, std::span<const FoldSamples> folds,
                               const Mask& mask, std::span<const std::int32_t> centres,
                               const SearchlightOptions& options) {
  options.validate();
  check(samples, labels, folds, mask, centres);
  const MatrixF by_voxel = samples.transpose();  // a sphere's voxels are then contiguous in time
  std::vector<SearchFold> prepared;
  for (const FoldSamples& fold : folds) prepared.push_back(make_fold(fold, labels, by_voxel, options));
  const SphereSearch search(mask, options.radius_mm);
  std::vector<float> scores(centres.size());
  const auto count = static_cast<std::int64_t>(centres.size());
  Progress progress("searchlight", count);
  parallel_tasks((count + kCentres - 1) / kCentres, [&](std::int64_t task) {
    check_cancelled();
    const std::int64_t begin = task * kCentres, end = std::min(begin + kCentres, count);
    for (std::int64_t c = begin; c < end; ++c) {
      const std::vector<std::int32_t> sphere = search.around(centres[static_cast<std::size_t>(c)]);
      double sum = 0;
      for (const SearchFold& fold : prepared) {
        const Eigen::MatrixXd train = features_of(by_voxel, sphere, fold.train, fold);
        const Eigen::MatrixXd test = features_of(by_voxel, sphere, fold.test, fold);
        sum += score_of(fold, decisions_of(fold, train, test, options.strength), labels, options.balanced);
      }
      scores[static_cast<std::size_t>(c)] = static_cast<float>(sum / static_cast<double>(prepared.size()));
    }
    progress.advance(end - begin);
  });
  return scores;
}

}  // namespace noema
