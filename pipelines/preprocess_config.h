// pipelines/preprocess_config: preprocessing options as text, so that a model can ask for what it was trained on.
#pragma once

#include <string>
#include <string_view>

#include "noema/preprocess/run.h"

namespace noema {

/// TOML whose keys are the fields of the options; equal options give equal text.
std::string preprocess_to_toml(const PreprocessOptions& options);

/// The inverse. @throws DataError for text that is no TOML, an unknown key (with the nearest), or a value of another
/// type.
PreprocessOptions preprocess_from_toml(std::string_view text);

}  // namespace noema
