// pipelines/group_inference: which voxels and clusters of the group's contrast maps count.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "noema/glm/multiple_testing.h"
#include "noema/pipelines/glm_maps.h"

namespace noema {

struct GroupInferenceOptions {
  HeightControl height_control = HeightControl::fdr;
  /// For effects of both signs together.
  double alpha = 0.05;
  /// Voxels count whose |z| (of F z) is above this, whatever `height_control` finds.
  std::optional<double> height;
  /// Clusters of fewer voxels are left out.
  std::int64_t smallest_cluster = 0;
  /// Arrangements of the subjects' effects (`permuted_contrast`, `permuted_f_contrast`, `permuted_joint_contrast`); 0:
  /// none.
  std::int64_t permutations = 0;
  /// Also permute threshold-free cluster enhancement.
  bool tfce = false;
  double cluster_forming_p = 0.001;
  /// Permutations count positive effects alone; else those of both signs.
  bool one_sided = false;
  /// Proportions of true discoveries hold with confidence 1 − this, for all clusters at once.
  double discovery_alpha = 0.05;
  /// Also a map of those proportions, of clusters of z above these heights.
  std::vector<double> discovery_heights;
  std::uint64_t seed = 0;

  /// @throws UsageError for levels outside (0, 1), heights below 0, or TFCE without permutations.
  void validate() const;
};

struct GroupInference {
  std::vector<std::string> files;  // relative to the output folder
  std::vector<std::string> notes;  // sentences for the report
};

/// Writes for each of `glm.group`'s contrasts to `maps/`: the z of voxels that count, a table of their clusters with
/// peaks and the proportion of true discoveries, and with permutations −log10 of the corrected p of t or F, of cluster
/// size and mass, and of TFCE; with heights for it the proportion of true discoveries of each voxel's cluster
/// (`true_discovery_map`).
/// @param like  header of a run, whose orientation the maps get.
/// @throws UsageError if permutations are asked for one subject; IoError; Cancelled
GroupInference write_group_inference(const std::filesystem::path& folder, const GlmMaps& glm,
                                     const FeatureSpace& voxels, const ImageHeader& like,
                                     const GroupInferenceOptions& options);

}  // namespace noema
