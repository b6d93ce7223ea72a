// learn/adamw: the optimiser of the training loop.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace noema {

/// A parameter and how it is trained.
struct TrainedParameter {
  std::string name;
  /// A leaf that requires gradients.
  at::Tensor tensor;
  /// Its learning rate is the loop's, multiplied by this.
  double learning_rate_scale = 1;
  bool decay = true;
  /// And at most this.
  double largest_learning_rate = std::numeric_limits<double>::infinity();
};

/// Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv 1711.05101); β = (0.9, 0.999), ε = 1e-8.
class AdamW {
 public:
  AdamW(std::vector<TrainedParameter> parameters, double weight_decay);

  /// One step along the gradients of the parameters; those without one stay as they are.
  void step(double learning_rate);
  void clear_gradients();
  /// Scales all gradients so that their common norm is at most `limit`; returns the norm before.
  double clip_gradients(double limit);

  const std::vector<TrainedParameter>& parameters() const { return parameters_; }
  /// First and second moments, in the order of the parameters, for checkpoints.
  std::vector<at::Tensor>& first_moments() { return first_; }
  std::vector<at::Tensor>& second_moments() { return second_; }
  std::int64_t steps() const { return steps_; }
  void set_steps(std::int64_t steps) { steps_ = steps; }

 private:
  std::vector<TrainedParameter> parameters_;
  double weight_decay_;
  std::vector<at::Tensor> first_;
  std::vector<at::Tensor> second_;
  std::int64_t steps_ = 0;
};

}  // namespace noema
