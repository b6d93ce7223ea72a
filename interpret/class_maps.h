// interpret/class_maps: from attributions of samples to one map for each class.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>

#include "noema/io/series.h"

namespace noema {

/// One map for each class: (K, F), the mean over subjects of the mean over their samples of that class.
struct ClassMaps {
  MatrixD mean;
  /// (K, F): standard deviation over subjects (ddof 1); zero where there is one subject.
  MatrixD sd;
  /// (K): subjects that had samples of the class.
  std::vector<int> subjects;
};

/// Gathers the attributions of many batches without keeping them.
class ClassMapAverage {
 public:
  ClassMapAverage(int classes, int subjects, std::int64_t features);

  /// Adds samples: values (N, T, F) are summed over time; `label` and `subject` say whose they are.
  /// @throws ShapeError
  void add(const at::Tensor& values, std::span<const int> labels, std::span<const int> subjects);
  /// Adds what another average of the same sizes has gathered. @throws ShapeError
  void add(const ClassMapAverage& other);
  /// A class without samples has a map of zeros and no subjects.
  ClassMaps maps() const;

 private:
  int classes_;
  int subjects_;
  MatrixD sums_;  // (K·S, F)
  std::vector<std::int64_t> counts_;
};

}  // namespace noema
