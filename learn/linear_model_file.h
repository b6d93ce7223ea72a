// learn/linear_model_file: linear maps and the choice of their strength as tensors and settings.
#pragma once

#include <string>

#include "noema/io/safetensors.h"
#include "noema/learn/linear_map.h"

namespace noema {

/// (rows, columns) as a float64 tensor.
TensorData to_tensor(const MatrixD& matrix);
/// @throws DataError unless the tensor has this shape.
MatrixD matrix_of(const SafeTensors& content, const std::string& name, std::int64_t rows, std::int64_t columns);

/// Adds tensors "weights" and "intercepts", and the kind and the strength as the metadata "model".
void save_linear_model(SafeTensors& content, const std::string& kind, const LinearMap& map,
                       const StrengthChoice& strength);

struct StoredLinearModel {
  std::string kind;
  LinearMap map;
  StrengthChoice strength;
};
/// @throws DataError if the settings cannot be read or the weights are not of `features` features.
StoredLinearModel load_linear_model(const SafeTensors& content, std::int64_t features);

}  // namespace noema
