// learn/tensors: matrices and stored arrays as tensors, and back. All of them copy.
#pragma once

#include <ATen/core/Tensor.h>

#include "noema/io/safetensors.h"
#include "noema/io/series.h"

namespace noema {

/// (rows, columns) float32, on the CPU.
at::Tensor tensor_of(const MatrixF& matrix);
/// (rows, columns) float64, on the CPU.
at::Tensor tensor_of(const MatrixD& matrix);
/// Of dtype F32, F64 or I64, on the CPU. @throws DataError for another dtype.
at::Tensor tensor_of(const TensorData& data);

/// @param tensor (rows, columns) of any dtype, on any device. @throws ShapeError unless it has two dimensions.
MatrixD to_matrix(const at::Tensor& tensor);
/// @param tensor float32, float64 or int64 of any shape, on any device. @throws DataError for another dtype.
TensorData to_tensor_data(const at::Tensor& tensor);

}  // namespace noema
