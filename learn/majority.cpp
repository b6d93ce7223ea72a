#include "noema/learn/majority.h"

#include <nlohmann/json.hpp>

#include "noema/core/error.h"
#include "noema/learn/linear_map.h"

namespace noema {

void MajorityClassifier::fit(const SampleSet& train) {
  const std::vector<int> labels = train.labels();
  check_classes(train.size(), labels, train.classes);
  frequencies_ = Eigen::VectorXd::Zero(train.classes);
  for (const int label : labels) frequencies_(label) += 1 / static_cast<double>(train.size());
}

ClassScores MajorityClassifier::predict(const SampleSet& samples) const {
  if (frequencies_.size() == 0) throw UsageError("a majority classifier was asked to predict before it was fitted");
  const MatrixD rows = frequencies_.transpose().replicate(samples.size(), 1);
  return {rows, rows};
}

SafeTensors MajorityClassifier::save() const {
  SafeTensors content;
  content.metadata["model"] = nlohmann::json{{"kind", kind()}}.dump();
  content.tensors["frequencies"] = TensorData::from_doubles(
      {frequencies_.size()}, std::span(frequencies_.data(), static_cast<std::size_t>(frequencies_.size())));
  return content;
}

std::unique_ptr<MajorityClassifier> MajorityClassifier::load(const SafeTensors& content) {
  auto model = std::make_unique<MajorityClassifier>();
  const std::vector<double> values = content.tensor("frequencies").doubles();
  model->frequencies_ = Eigen::Map<const Eigen::VectorXd>(values.data(), static_cast<std::int64_t>(values.size()));
  return model;
}

}  // namespace noema
