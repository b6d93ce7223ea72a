// io/tedana: the components that tedana found in a multi-echo run, beside the image that it combined of the echoes.
#pragma once

#include <filesystem>
#include <optional>

#include "noema/io/confounds.h"

namespace noema {

struct TedanaFiles {
  /// `…_desc-ICA_mixing.tsv`: the time course of each component.
  std::filesystem::path mixing;
  /// `…_desc-tedana_metrics.tsv`: what each was classified as.
  std::filesystem::path metrics;
};

/// The files beside an image that tedana combined (`…_desc-optcom_bold`), where both are there. Their names hold no
/// entity that the image's does not; of several those with the longest. @throws IoError
std::optional<TedanaFiles> tedana_files_beside(const std::filesystem::path& bold);

/// All components, in the order of the mixing file, named by their class and their column there: "rejected_ICA_04". The
/// two files may fill up numbers with zeros differently.
/// @throws IoError, FormatError; DataError for a component that only one of the files has
ConfoundTable read_tedana(const TedanaFiles& files);

}  // namespace noema
