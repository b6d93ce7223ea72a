#include "noema/learn/feature_transform.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "noema/core/error.h"
#include "noema/learn/principal_components.h"

namespace noema {
namespace {

std::vector<int> select(const FeatureTransformOptions& options, const MatrixF& rows, std::span<const int> labels,
                        int classes) {
  const double wanted =
      options.keep_is_percent ? std::ceil(options.keep / 100 * static_cast<double>(rows.cols()) - 1e-9) : options.keep;
  const auto count = std::max<std::int64_t>(1, std::llround(std::min(wanted, static_cast<double>(rows.cols()))));
  if (options.screening == Screening::none || count >= rows.cols()) {
    std::vector<int> all(static_cast<std::size_t>(rows.cols()));
    std::iota(all.begin(), all.end(), 0);
    return all;
  }
  return largest(options.screening == Screening::anova ? anova_f(rows, labels, classes) : task_response(rows), count);
}

MatrixF columns_of(const MatrixF& rows, const std::vector<int>& columns) {
  if (static_cast<std::int64_t>(columns.size()) == rows.cols()) return rows;
  MatrixF part(rows.rows(), static_cast<std::int64_t>(columns.size()));
  for (std::int64_t m = 0; m < rows.rows(); ++m) {
    for (std::int64_t f = 0; f < part.cols(); ++f) part(m, f) = rows(m, columns[static_cast<std::size_t>(f)]);
  }
  return part;
}

}  // namespace

void FeatureTransformOptions::validate() const {
  if (!(keep > 0) || !std::isfinite(keep) || (keep_is_percent && keep > 100)) {
    throw UsageError(fmt::format("found {:g}{} features to keep, expected a number above 0{}", keep,
                                 keep_is_percent ? " %" : "", keep_is_percent ? ", at most 100 %" : ""));
  }
  if (!(shrinkage >= 0) || !std::isfinite(shrinkage)) {
    throw UsageError(fmt::format("found a shrinkage of {:g}, expected a number of at least 0", shrinkage));
  }
  if (whiten && !centre) throw UsageError("whitening needs centred features: switch centring on");
}

FeatureTransformOptions default_transform(FeatureKind kind) {
  FeatureTransformOptions options;
  if (kind == FeatureKind::voxels) options.screening = Screening::anova;
  return options;
}

FeatureTransform FeatureTransform::fit(const FeatureTransformOptions& options, const MatrixF& rows,
                                       std::span<const int> labels, int classes) {
  options.validate();
  FeatureTransform transform;
  transform.features_ = rows.cols();
  transform.selected_ = select(options, rows, labels, classes);
  const MatrixF kept = columns_of(rows, transform.selected_);
  const ColumnMoments moments = column_moments(kept);
  if (moments.squares.maxCoeff() == 0) {
    throw DataError(fmt::format("none of the {} features varies over the {} training rows, expected at least one",
                                kept.cols(), kept.rows()));
  }
  transform.mean_ = Eigen::VectorXf::Zero(kept.cols());
  if (options.centre) transform.mean_ = moments.mean.cast<float>();
  transform.scale_ = Eigen::VectorXf::Ones(kept.cols());
  if (options.scale) {
    for (std::int64_t f = 0; f < kept.cols(); ++f) {
      const double deviation = std::sqrt(moments.squares(f) / static_cast<double>(kept.rows()));
      transform.scale_(f) = deviation > 0 ? static_cast<float>(1 / deviation) : 0;
    }
  }
  if (options.whiten) transform.fit_whitening(kept, options.shrinkage);
  return transform;
}

void FeatureTransform::fit_whitening(const MatrixF& rows, double shrinkage) {
  const PrincipalComponents components(standardised(rows));
  const Eigen::VectorXd& e = components.eigenvalues();
  const double ridge = shrinkage * e.sum() / static_cast<double>(std::min(rows.rows(), rows.cols()));
  const Eigen::ArrayXd gains = (e.array() + ridge).rsqrt();
  const double squares = (e.array() * gains.square()).sum() / static_cast<double>(rows.size());
  gains_ = (gains / std::sqrt(squares)).cast<float>();
  basis_ = components.components().cast<float>();
}

MatrixF FeatureTransform::standardised(const MatrixF& rows) const {
  MatrixF result(rows.rows(), rows.cols());
  for (std::int64_t m = 0; m < rows.rows(); ++m) {
    result.row(m) = (rows.row(m) - mean_.transpose()).cwiseProduct(scale_.transpose());
  }
  return result;
}

MatrixF FeatureTransform::apply(const MatrixF& rows) const {
  if (rows.cols() != features_) {
    throw ShapeError(fmt::format("found {} features, expected the {} of the training data", rows.cols(), features_));
  }
  const MatrixF standard = standardised(columns_of(rows, selected_));
  if (!whitens()) return standard;
  const MatrixF scores = (standard * basis_) * gains_.asDiagonal();
  return scores * basis_.transpose();
}

MatrixD FeatureTransform::to_features(const MatrixD& weights) const {
  if (weights.cols() != outputs()) {
    throw ShapeError(fmt::format("found weights of {} features, expected {}", weights.cols(), outputs()));
  }
  MatrixD of_selected = weights;
  if (whitens()) {
    const MatrixD basis = basis_.cast<double>();
    of_selected = ((weights * basis) * gains_.cast<double>().asDiagonal()) * basis.transpose();
  }
  MatrixD of_features = MatrixD::Zero(weights.rows(), features_);
  for (std::int64_t f = 0; f < outputs(); ++f) {
    of_features.col(selected_[static_cast<std::size_t>(f)]) = of_selected.col(f) * static_cast<double>(scale_(f));
  }
  return of_features;
}

void FeatureTransform::save(SafeTensors& content) const {
  const auto vector = [](const Eigen::VectorXf& values) {
    return TensorData::from_floats({values.size()}, std::span(values.data(), static_cast<std::size_t>(values.size())));
  };
  const std::vector<std::int64_t> selected(selected_.begin(), selected_.end());
  content.tensors["transform.features"] = TensorData::from_ints({1}, std::span(&features_, 1));
  content.tensors["transform.selected"] = TensorData::from_ints({outputs()}, selected);
  content.tensors["transform.mean"] = vector(mean_);
  content.tensors["transform.scale"] = vector(scale_);
  if (!whitens()) return;
  content.tensors["transform.gains"] = vector(gains_);
  content.tensors["transform.basis"] = TensorData::from_floats(
      {basis_.rows(), basis_.cols()}, std::span(basis_.data(), static_cast<std::size_t>(basis_.size())));
}

FeatureTransform FeatureTransform::load(const SafeTensors& content) {
  const auto vector = [&](const char* name) {
    const std::vector<float> values = content.tensor(name).floats();
    return Eigen::VectorXf(Eigen::Map<const Eigen::VectorXf>(values.data(), static_cast<std::int64_t>(values.size())));
  };
  FeatureTransform transform;
  const std::vector<std::int64_t> features = content.tensor("transform.features").ints();
  const std::vector<std::int64_t> selected = content.tensor("transform.selected").ints();
  transform.features_ = features.size() == 1 ? features[0] : 0;
  transform.selected_.assign(selected.begin(), selected.end());
  transform.mean_ = vector("transform.mean");
  transform.scale_ = vector("transform.scale");
  const bool in_range =
      std::all_of(selected.begin(), selected.end(), [&](std::int64_t f) { return f >= 0 && f < transform.features_; });
  bool agree =
      in_range && transform.mean_.size() == transform.outputs() && transform.scale_.size() == transform.outputs();
  if (content.tensors.contains("transform.basis")) {
    transform.gains_ = vector("transform.gains");
    const TensorData& stored = content.tensor("transform.basis");
    const std::vector<float> values = stored.floats();
    agree = agree && stored.shape == std::vector{transform.outputs(), transform.gains_.size()};
    if (agree) transform.basis_ = Eigen::Map<const MatrixF>(values.data(), stored.shape[0], stored.shape[1]);
  }
  if (!agree) throw DataError("the tensors of the feature transform disagree in shape: the model file is damaged");
  return transform;
}

}  // namespace noema
