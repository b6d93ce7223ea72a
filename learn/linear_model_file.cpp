#include "noema/learn/linear_model_file.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "noema/core/error.h"

namespace noema {

using nlohmann::json;

TensorData to_tensor(const MatrixD& matrix) {
  return TensorData::from_doubles({matrix.rows(), matrix.cols()},
                                  std::span(matrix.data(), static_cast<std::size_t>(matrix.size())));
}

MatrixD matrix_of(const SafeTensors& content, const std::string& name, std::int64_t rows, std::int64_t columns) {
  const TensorData& tensor = content.tensor(name);
  if (tensor.shape != std::vector{rows, columns}) {
    throw DataError(fmt::format(
        "the tensor '{}' has another shape than the {} × {} expected: the model file is damaged", name, rows, columns));
  }
  const std::vector<double> values = tensor.doubles();
  return Eigen::Map<const MatrixD>(values.data(), rows, columns);
}

void save_linear_model(SafeTensors& content, const std::string& kind, const LinearMap& map,
                       const StrengthChoice& strength) {
  content.tensors["weights"] = to_tensor(map.weights);
  content.tensors["intercepts"] = to_tensor(map.intercepts);
  content.metadata["model"] = json{
      {"kind", kind},
      {"strength", strength.value},
      {"strength_by_inner_folds", strength.by_inner_folds},
      {"strengths_tried", strength.tried},
      {"inner_balanced_accuracy",
       strength.accuracy}}.dump();
}

StoredLinearModel load_linear_model(const SafeTensors& content, std::int64_t features) {
  StoredLinearModel stored;
  try {
    const json model = json::parse(content.text("model"));
    stored.kind = model.at("kind").get<std::string>();
    stored.strength.value = model.at("strength").get<double>();
    stored.strength.by_inner_folds = model.at("strength_by_inner_folds").get<bool>();
    stored.strength.tried = model.at("strengths_tried").get<std::vector<double>>();
    stored.strength.accuracy = model.at("inner_balanced_accuracy").get<std::vector<double>>();
  } catch (const json::exception& error) {
    throw DataError(fmt::format("the settings of the linear model cannot be read: {}", error.what()));
  }
  const std::vector<std::int64_t>& shape = content.tensor("weights").shape;
  const std::int64_t classes = shape.empty() ? 0 : shape[0];
  stored.map.weights = matrix_of(content, "weights", classes, features);
  stored.map.intercepts = matrix_of(content, "intercepts", classes, 1);
  return stored;
}

}  // namespace noema
