// mixers/training_tags: how the parameters of networks want to be trained.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <limits>
#include <map>
#include <string>
#include <string_view>

namespace noema {

struct TrainingTag {
  /// Weight decay?
  bool decay = true;
  /// Does it shape a kernel in time? Such may have a learning rate of their own.
  bool kernel = false;
  /// The learning rate is at most this, whatever that of the others.
  double largest_learning_rate = std::numeric_limits<double>::infinity();

  bool operator==(const TrainingTag&) const = default;
};

/// Weights decay; biases, norms and all else of one dimension do not.
inline TrainingTag usual_tag(const at::Tensor& parameter) { return {.decay = parameter.dim() > 1}; }

/// A module that knows how its parameters are trained, and those of its parts that are not of this kind.
class TrainingAdvice {
 public:
  virtual ~TrainingAdvice() = default;
  /// @param name as `named_parameters` of this module has it.
  virtual TrainingTag training_tag(std::string_view name, const at::Tensor& parameter) const = 0;
};

/// Of all parameters by name: what the nearest module above says that gives advice, else the usual.
std::map<std::string, TrainingTag> training_tags(const torch::nn::Module& module);

}  // namespace noema
