#include "noema/decoders/trained_parameters.h"

#include "noema/mixers/training_tags.h"

namespace noema {

std::vector<TrainedParameter> trained_parameters_of(const torch::nn::Module& module, double kernel_scale) {
  const auto tags = training_tags(module);
  std::vector<TrainedParameter> list;
  for (const auto& item : module.named_parameters()) {
    const TrainingTag& tag = tags.at(item.key());
    list.push_back({item.key(), item.value(), tag.kernel ? kernel_scale : 1, tag.decay, tag.largest_learning_rate});
  }
  return list;
}

}  // namespace noema
