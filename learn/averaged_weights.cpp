#include "noema/learn/averaged_weights.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros_like.h>

#include <utility>

#include "noema/core/error.h"

namespace noema {

AveragedWeights::AveragedWeights(std::vector<TrainedParameter> parameters) : parameters_(std::move(parameters)) {
  if (parameters_.empty()) throw UsageError("averaged weights: found no parameters, expected one or more");
  for (const TrainedParameter& parameter : parameters_) means_.push_back(at::zeros_like(parameter.tensor.detach()));
}

void AveragedWeights::add() {
  const at::NoGradGuard no_gradients;
  ++count_;
  for (std::size_t i = 0; i < means_.size(); ++i) {
    if (count_ == 1) {
      means_[i].copy_(parameters_[i].tensor);
    } else {
      means_[i] += (parameters_[i].tensor - means_[i]) / static_cast<double>(count_);
    }
  }
}

void AveragedWeights::copy_back() {
  if (count_ == 0) throw UsageError("averaged weights: found nothing added yet, expected a step or more");
  const at::NoGradGuard no_gradients;
  for (std::size_t i = 0; i < means_.size(); ++i) parameters_[i].tensor.copy_(means_[i]);
}

}  // namespace noema
