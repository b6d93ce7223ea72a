#include "noema/learn/tensors.h"

#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <cstring>

#include "noema/core/error.h"

namespace noema {
namespace {

struct Dtype {
  at::ScalarType type;
  const char* name;
};
constexpr Dtype kDtypes[] = {{at::kFloat, "F32"}, {at::kDouble, "F64"}, {at::kLong, "I64"}};

at::Tensor copy_of(const void* values, at::IntArrayRef shape, at::ScalarType type) {
  at::Tensor tensor = at::empty(shape, at::TensorOptions(type));
  if (tensor.numel() > 0) std::memcpy(tensor.data_ptr(), values, tensor.nbytes());
  return tensor;
}

}  // namespace

at::Tensor tensor_of(const MatrixF& matrix) {
  return copy_of(matrix.data(), {matrix.rows(), matrix.cols()}, at::kFloat);
}

at::Tensor tensor_of(const MatrixD& matrix) {
  return copy_of(matrix.data(), {matrix.rows(), matrix.cols()}, at::kDouble);
}

at::Tensor tensor_of(const TensorData& data) {
  for (const Dtype& dtype : kDtypes) {
    if (data.dtype == dtype.name) return copy_of(data.bytes.data(), data.shape, dtype.type);
  }
  throw DataError(fmt::format("found an array of dtype {}, expected F32, F64 or I64", data.dtype));
}

MatrixD to_matrix(const at::Tensor& tensor) {
  if (tensor.dim() != 2) {
    throw ShapeError(fmt::format("found a tensor of {} dimensions, expected rows and columns", tensor.dim()));
  }
  const at::Tensor values = tensor.detach().to(at::kCPU, at::kDouble).contiguous();
  MatrixD matrix(values.size(0), values.size(1));
  if (values.numel() > 0) std::memcpy(matrix.data(), values.data_ptr(), values.nbytes());
  return matrix;
}

TensorData to_tensor_data(const at::Tensor& tensor) {
  const at::Tensor values = tensor.detach().to(at::kCPU).contiguous();
  for (const Dtype& dtype : kDtypes) {
    if (values.scalar_type() != dtype.type) continue;
    TensorData data{dtype.name, values.sizes().vec(), std::vector<std::byte>(values.nbytes())};
    if (values.numel() > 0) std::memcpy(data.bytes.data(), values.data_ptr(), values.nbytes());
    return data;
  }
  throw DataError(fmt::format("found a tensor of type {}, expected float32, float64 or int64",
                              c10::toString(values.scalar_type())));
}

}  // namespace noema
