// learn/parameter_bank: parameters of which every subject has its own, with the state of their training.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "noema/learn/adamw.h"

namespace noema {

/// One set of tensors in the network stands for the subject that is on; `use` puts the former subject's values, moments
/// and step count away and the next one's there. A new subject starts from the values at construction.
///
/// Memory: three copies of the parameters for each subject, on the parameters' device. Give `optimizer` steps only
/// while a subject is on; parameters that all subjects share belong to an optimiser of their own.
class ParameterBank {
 public:
  /// @throws UsageError without parameters
  ParameterBank(std::vector<TrainedParameter> parameters, double weight_decay);

  /// Clears the gradients: those of one subject never step another.
  void use(const std::string& subject);
  /// Of the subject that is on. @throws UsageError before the first `use`
  AdamW& optimizer();
  /// The subjects in use so far, in order.
  std::vector<std::string> subjects() const;
  /// A subject's present values, in the order of the parameters. @throws UsageError for one never used
  std::vector<at::Tensor> values(const std::string& subject) const;

 private:
  struct State {
    std::vector<at::Tensor> values, first, second;
    std::int64_t steps = 0;
  };
  State present() const;

  mutable AdamW optimizer_;
  State start_;
  std::map<std::string, State> states_;
  std::optional<std::string> on_;
};

}  // namespace noema
