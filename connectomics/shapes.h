// connectomics/shapes: what the blocks ask of their inputs, and how they say so when it is not given.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace noema {

/// "(2, 3, 4)".
std::string shape_text(at::IntArrayRef sizes);

/// float32 or float64 with at least `dimensions` dimensions. `layout` names them for the message: "(…, C, T)".
/// @throws ShapeError, also for a tensor that is undefined or of another type.
void require_dimensions(const at::Tensor& tensor, std::string_view name, std::int64_t dimensions,
                        std::string_view layout);
/// (…, N, N) of float32 or float64, N ≥ 1. @throws ShapeError
void require_square(const at::Tensor& tensor, std::string_view name);
/// The size of dimension `dimension` (negative: from the end) is `expected`. @throws ShapeError
void require_size(const at::Tensor& tensor, std::string_view name, std::int64_t dimension, std::int64_t expected);

/// (A + Aᵀ)/2 over the last two dimensions: gradients that pass are symmetric.
at::Tensor symmetrised(const at::Tensor& matrix);

}  // namespace noema
