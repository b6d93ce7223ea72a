// Means of attributions: over samples within a subject, then over subjects.
#include "noema/interpret/class_maps.h"

#include <fmt/format.h>

#include "noema/core/error.h"

namespace noema {

ClassMapAverage::ClassMapAverage(int classes, int subjects, std::int64_t features)
    : classes_(classes),
      subjects_(subjects),
      sums_(MatrixD::Zero(static_cast<std::int64_t>(classes) * subjects, features)),
      counts_(static_cast<std::size_t>(classes) * static_cast<std::size_t>(subjects), 0) {}

void ClassMapAverage::add(const at::Tensor& values, std::span<const int> labels, std::span<const int> subjects) {
  if (values.dim() != 3 || values.size(2) != sums_.cols() ||
      values.size(0) != static_cast<std::int64_t>(labels.size()) || labels.size() != subjects.size()) {
    throw ShapeError(
        fmt::format("found attributions, labels and subjects that do not fit ({} labels, {} subjects, {} features)",
                    labels.size(), subjects.size(), sums_.cols()));
  }
  const at::Tensor over_time = values.sum(1).contiguous();  // (N, F)
  for (std::size_t n = 0; n < labels.size(); ++n) {
    if (labels[n] < 0 || labels[n] >= classes_ || subjects[n] < 0 || subjects[n] >= subjects_) {
      throw ShapeError(fmt::format("found the label {} and subject {}, expected less than {} and {}", labels[n],
                                   subjects[n], classes_, subjects_));
    }
    const std::int64_t row = static_cast<std::int64_t>(labels[n]) * subjects_ + subjects[n];
    const Eigen::Map<const Eigen::RowVectorXf> map(
        over_time.data_ptr<float>() + static_cast<std::int64_t>(n) * sums_.cols(), sums_.cols());
    sums_.row(row) += map.cast<double>();
    ++counts_[static_cast<std::size_t>(row)];
  }
}

void ClassMapAverage::add(const ClassMapAverage& other) {
  if (other.classes_ != classes_ || other.subjects_ != subjects_ || other.sums_.cols() != sums_.cols()) {
    throw ShapeError("found averages of other numbers of classes, subjects or features");
  }
  sums_ += other.sums_;
  for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
}

ClassMaps ClassMapAverage::maps() const {
  ClassMaps result{MatrixD::Zero(classes_, sums_.cols()), MatrixD::Zero(classes_, sums_.cols()),
                   std::vector<int>(static_cast<std::size_t>(classes_), 0)};
  for (int k = 0; k < classes_; ++k) {
    std::vector<Eigen::RowVectorXd> of_subjects;
    for (int s = 0; s < subjects_; ++s) {
      const std::int64_t row = static_cast<std::int64_t>(k) * subjects_ + s;
      const std::int64_t count = counts_[static_cast<std::size_t>(row)];
      if (count > 0) of_subjects.emplace_back(sums_.row(row) / static_cast<double>(count));
    }
    result.subjects[static_cast<std::size_t>(k)] = static_cast<int>(of_subjects.size());
    if (of_subjects.empty()) continue;
    for (const auto& map : of_subjects) result.mean.row(k) += map / static_cast<double>(of_subjects.size());
    if (of_subjects.size() < 2) continue;
    for (const auto& map : of_subjects) result.sd.row(k).array() += (map - result.mean.row(k)).array().square();
    result.sd.row(k) = (result.sd.row(k) / static_cast<double>(of_subjects.size() - 1)).cwiseSqrt();
  }
  return result;
}

}  // namespace noema
