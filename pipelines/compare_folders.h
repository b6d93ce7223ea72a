// pipelines/compare_folders: models of two result folders, compared on the same samples.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "noema/pipelines/results.h"

namespace noema {

/// The scores of one model in both folders.
struct FolderDifference {
  std::string model;
  double first = 0;  ///< balanced accuracies
  double second = 0;
  ScoreDifference difference;  ///< first minus second
};

struct FolderComparison {
  std::vector<FolderDifference> models;
  /// With the entries of both folders.
  Results results;
};

/// Compares the balanced accuracies of models of the same name in two output folders of noema decode, evaluate or
/// finetune, sample by sample, from their predictions.tsv (of several seeds that of the median seed).
/// @throws DataError unless both folders have the same labels, the same split (by its hash), the same samples and a
///   model in common; what `read_results` throws
FolderComparison compare_folders(const std::filesystem::path& first, const std::filesystem::path& second);

/// Writes comparisons.tsv, models.tsv, results.json and report.html.
void write_folder_comparison(const std::filesystem::path& folder, FolderComparison comparison,
                             const Provenance& provenance);

}  // namespace noema
