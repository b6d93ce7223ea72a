// learn/averaged_weights: means of parameters over training, which often generalise better than the last ones.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "noema/learn/adamw.h"

namespace noema {

/// Stochastic weight averaging (Izmailov et al. 2018, arXiv 1803.05407): call `add` after some of the steps, and
/// `copy_back` at the end, or now and then to train on from the mean.
class AveragedWeights {
 public:
  /// Keeps one copy of each parameter. @throws UsageError without any
  explicit AveragedWeights(std::vector<TrainedParameter> parameters);

  /// The parameters' present values enter the means.
  void add();
  /// The parameters become the means of what was added; moments of an optimiser stay as they are. The means go on.
  /// @throws UsageError before the first `add`
  void copy_back();
  /// Forgets all that was added.
  void restart() { count_ = 0; }
  std::int64_t count() const { return count_; }
  /// In the order of the parameters.
  const std::vector<at::Tensor>& means() const { return means_; }

 private:
  std::vector<TrainedParameter> parameters_;
  std::vector<at::Tensor> means_;
  std::int64_t count_ = 0;
};

}  // namespace noema
