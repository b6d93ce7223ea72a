// pipelines/backbone_config: lists of mixers as TOML files.
#pragma once

#include <filesystem>
#include <string>

#include "noema/decoders/backbone.h"

namespace noema {

/// Reads a file such as
///
///   channels = 32
///   [[mixer]]
///   kind = "h3"      # one of `mixer_kinds()`
///   repeat = 2       # so many of the same, one after the other; 1 if left out
///   dropout = 0.1    # the options of the kind
///
/// @throws FormatError where it is no TOML; DataError for keys, kinds, options and values that cannot be, naming file,
/// line, what was found and what was expected.
BackboneOptions read_backbone(const std::filesystem::path& path);

/// The text of a file that `read_backbone` reads back as the same backbone, every option included.
std::string backbone_to_toml(const BackboneOptions& options);

}  // namespace noema
