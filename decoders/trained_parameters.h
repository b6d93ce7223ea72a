// decoders/trained_parameters: the parameters of a module, each trained as its mixers advise.
#pragma once

#include <torch/nn/module.h>

#include <vector>

#include "noema/learn/adamw.h"

namespace noema {

/// All parameters, as `training_tags` has them. The learning rate of those that shape kernels is the others',
/// multiplied by `kernel_scale`.
std::vector<TrainedParameter> trained_parameters_of(const torch::nn::Module& module, double kernel_scale = 1);

}  // namespace noema
