// mixers/recompute: less memory in training, for operations that are done once more.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

namespace noema {

/// body(inputs), for whose gradient nothing but `inputs` is kept: backward computes what is between once more.
///
/// @param body a function of its inputs alone: it draws no random numbers, and refers to nothing that may be gone when
///             the gradient is asked for.
/// @return     Values and gradients, those of gradients too, are those of `body`. Cost: of another `body` in backward.
at::Tensor recomputed(const std::function<at::Tensor(const std::vector<at::Tensor>&)>& body,
                      const std::vector<at::Tensor>& inputs);

}  // namespace noema
