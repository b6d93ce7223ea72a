// learn/majority: always the most frequent label: what a model must beat.
#pragma once

#include <memory>
#include <string>

#include "noema/learn/classifier.h"

namespace noema {

/// Predicts the most frequent label of the training samples (of equal ones the first). Probabilities and decisions are
/// the training frequencies.
class MajorityClassifier : public Classifier {
 public:
  void fit(const SampleSet& train) override;
  ClassScores predict(const SampleSet& samples) const override;
  std::string kind() const override { return "majority"; }
  SafeTensors save() const override;
  /// @throws DataError
  static std::unique_ptr<MajorityClassifier> load(const SafeTensors& content);

 private:
  Eigen::VectorXd frequencies_;
};

}  // namespace noema
