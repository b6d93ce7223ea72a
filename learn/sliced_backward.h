// learn/sliced_backward: gradients of a loss over many frames in the memory of a few.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

namespace noema {

/// Values of frames begin … end − 1, (…, end − begin): of what needs much memory on the way.
using SliceBody = std::function<at::Tensor(std::int64_t begin, std::int64_t end)>;

/// The value of loss(all slices' values, (…, frames)); its gradient is added to `.grad()` of all leaves that body and
/// loss use, exactly as by one backward pass, whatever the loss does with the values.
///
/// Bodies run twice, once without gradients, so that besides the values only one slice's graph is kept; they must give
/// the same values both times (no dropout).
/// @throws UsageError for numbers below 1; ShapeError for a loss that is not a scalar or values of other lengths
double backward_over_slices(std::int64_t frames, std::int64_t slice, const SliceBody& body,
                            const std::function<at::Tensor(const at::Tensor& values)>& loss);

}  // namespace noema
