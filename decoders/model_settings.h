// decoders/model_settings: the settings of network models in model files.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "noema/io/safetensors.h"

namespace noema {

/// Calls `read` with the JSON object under the metadata key "model".
/// @throws DataError if the model is of another kind, or `read` misses a setting.
void read_model(const SafeTensors& content, const std::string& kind,
                const std::function<void(const nlohmann::json&)>& read);

/// The same with its member "network", the settings of the kind.
void read_settings(const SafeTensors& content, const std::string& kind,
                   const std::function<void(const nlohmann::json&)>& read);

}  // namespace noema
