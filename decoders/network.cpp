#include "noema/decoders/network.h"

#include "noema/mixers/training_tags.h"

namespace noema {

bool is_output_layer(std::string_view name) { return name.starts_with("output."); }

std::vector<TrainedParameter> Network::trained_parameters() const {
  const auto tags = training_tags(*this);
  std::vector<TrainedParameter> list;
  for (const auto& item : named_parameters()) {
    const TrainingTag& tag = tags.at(item.key());
    list.push_back({item.key(), item.value(), 1, tag.decay, tag.largest_learning_rate});
  }
  return list;
}

}  // namespace noema
