#include "noema/decoders/network.h"

#include <string>

namespace noema {

bool is_output_layer(std::string_view name) { return name.starts_with("output."); }

std::vector<TrainedParameter> Network::trained_parameters() const {
  std::vector<TrainedParameter> list;
  for (const auto& item : named_parameters()) {
    const bool kernel = item.key().find("kernel") != std::string::npos;
    list.push_back({item.key(), item.value(), 1, item.value().dim() > 1 && !kernel});
  }
  return list;
}

}  // namespace noema
