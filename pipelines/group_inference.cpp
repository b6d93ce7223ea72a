#include "noema/pipelines/group_inference.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "noema/core/error.h"
#include "noema/glm/all_resolutions.h"
#include "noema/glm/cluster_table.h"
#include "noema/glm/permutation.h"
#include "noema/io/table.h"
#include "noema/pipelines/output_folder.h"

namespace noema {
namespace {

std::string file_of(const std::string& contrast, const std::string& rest) {
  return fmt::format("maps/contrast-{}_{}", bids_label(contrast), rest);
}

/// One row a peak; what belongs to the cluster stands in the row of its first.
Table table_of(const std::vector<ClusterRow>& rows, const std::vector<double>& z, bool two_sided, double alpha) {
  std::vector<double> p(z.size());
  std::transform(z.begin(), z.end(), p.begin(), [&](double value) {
    return two_sided ? 2 * normal_upper_tail(std::abs(value)) : normal_upper_tail(value);
  });
  const std::int64_t hommel = hommel_value(p, alpha);
  std::vector<std::string> label, size, volume, share;
  std::array<std::vector<double>, 3> place;
  std::vector<double> height;
  for (const ClusterRow& row : rows) {
    std::vector<double> of_cluster;
    for (const std::int32_t v : row.voxels) of_cluster.push_back(p[static_cast<std::size_t>(v)]);
    const double discoveries = true_discovery_proportion(of_cluster, hommel, alpha);
    for (std::size_t k = 0; k < row.peaks.size(); ++k) {
      label.push_back(row.label(k));
      for (std::size_t axis = 0; axis < 3; ++axis) place[axis].push_back(row.peaks[k].ras_mm[axis]);
      height.push_back(row.peaks[k].value);
      size.push_back(k == 0 ? std::to_string(row.voxels.size()) : "");
      volume.push_back(k == 0 ? fmt::format("{:.7g}", row.volume_mm3) : "");
      share.push_back(k == 0 ? fmt::format("{:.4g}", discoveries) : "");
    }
  }
  Table table;
  table.add("cluster", std::move(label));
  table.add("x_mm", place[0]);
  table.add("y_mm", place[1]);
  table.add("z_mm", place[2]);
  table.add("peak_z", height);
  table.add("voxels", std::move(size));
  table.add("volume_mm3", std::move(volume));
  table.add("true_discoveries", std::move(share));
  return table;
}

/// What is written about one contrast.
class ContrastWriter {
 public:
  ContrastWriter(const std::filesystem::path& folder, const FeatureSpace& voxels, const ImageHeader& like,
                 const GroupInferenceOptions& options)
      : folder_(folder), voxels_(voxels), like_(like), options_(options) {}

  void write_clusters(const GlmMap& map) {
    ClusterTableOptions table;
    table.threshold.two_sided = !map.is_f();  // F is large whatever the signs of effects
    table.threshold.height =
        options_.height ? *options_.height
                        : height_threshold(map.z, options_.height_control, options_.alpha, table.threshold.two_sided);
    table.threshold.smallest_cluster = options_.smallest_cluster;
    const std::vector<double> kept = threshold_map(voxels_.mask, map.z, table.threshold);
    write(map.contrast, "desc-thresholded_stat-z_statmap.nii.gz", {kept.begin(), kept.end()}, "GLM z, thresholded");
    const std::string file = file_of(map.contrast, "clusters.tsv");
    const std::vector<ClusterRow> rows = cluster_table(voxels_.mask, map.z, table);
    write_table(folder_ / file, table_of(rows, map.z, table.threshold.two_sided, options_.discovery_alpha));
    result.files.push_back(file);
    result.notes.push_back(fmt::format(
        "Contrast {}: voxels count where {} > {:.4g} ({}), in {} cluster{}.", map.contrast, map.is_f() ? "z" : "|z|",
        table.threshold.height,
        options_.height ? std::string("as asked for")
                        : fmt::format("{} at {:g}", height_control_name(options_.height_control), options_.alpha),
        rows.size(), rows.size() == 1 ? "" : "s"));
    if (!options_.discovery_heights.empty()) write_discoveries(map);
  }

  /// @param effects  of the subjects, as `question` has them
  void write_permutations(const GlmMap& map, const GroupQuestion& question, const std::vector<MatrixD>& effects) {
    PermutedOlsOptions permutation;
    permutation.permutations = options_.permutations;
    permutation.two_sided = !options_.one_sided;
    permutation.seed = options_.seed;
    permutation.tfce = options_.tfce;
    permutation.cluster_forming_p = options_.cluster_forming_p;
    const PermutedOlsResult found = permuted(map.is_f(), question, effects, permutation);
    const std::string contrast = map.contrast, stat = map.is_f() ? "F" : "t";
    write_test(contrast, stat, found.voxels);
    write_test(contrast, "clustersize", *found.cluster_size);
    write_test(contrast, "clustermass", *found.cluster_mass);
    if (found.tfce) write_test(contrast, "tfce", *found.tfce);
    result.notes.push_back(fmt::format(
        "Contrast {}: {} {} {} of {} subjects{}; smallest corrected p of {} {:.4g}, of cluster size {:.4g} and mass "
        "{:.4g} (uncorrected p below {:g}, {} > {:.4g}){}.",
        contrast, found.exhaustive ? "all" : "random", found.permutations, found.flips_signs ? "sign flips" : "orders",
        effects.front().rows(), question.design.values.cols() > 1 ? ", of what the model's other columns leave" : "",
        stat, found.voxels.p.minCoeff(), found.cluster_size->p.minCoeff(), found.cluster_mass->p.minCoeff(),
        options_.cluster_forming_p,
        map.is_f()           ? "F"
        : options_.one_sided ? "positive effects alone, t"
                             : "|t|",
        found.cluster_threshold,
        found.tfce ? fmt::format(", of TFCE {:.4g}", found.tfce->p.minCoeff()) : std::string()));
  }

  GroupInference result;

 private:
  PermutedOlsResult permuted(bool is_f, const GroupQuestion& question, const std::vector<MatrixD>& effects,
                             const PermutedOlsOptions& options) const {
    const Eigen::VectorXd weights = question.weights.row(0);
    if (effects.size() > 1) {
      return permuted_joint_contrast(effects, question.design, weights, &voxels_.mask, options);
    }
    if (is_f) return permuted_f_contrast(effects[0], question.design, question.weights, &voxels_.mask, options);
    return permuted_contrast(effects[0], question.design, weights, &voxels_.mask, options);
  }

  void write_discoveries(const GlmMap& map) {
    const std::vector<double> share =
        true_discovery_map(voxels_.mask, map.z, options_.discovery_heights, options_.discovery_alpha);
    write(map.contrast, "desc-trueDiscoveries_stat-proportion_statmap.nii.gz", {share.begin(), share.end()},
          "share of the voxel's cluster with an effect, at least");
  }

  void write_test(const std::string& contrast, const std::string& of, const MaxTest& test) {
    std::vector<float> logp;
    for (const double p : test.p) logp.push_back(static_cast<float>(-std::log10(p)));
    write(contrast, fmt::format("desc-permutation_stat-{}logp_statmap.nii.gz", of), logp,
          fmt::format("-log10 p of {}, corrected", of));
  }

  void write(const std::string& contrast, const std::string& rest, const std::vector<float>& values,
             const std::string& description) {
    result.files.push_back(write_map(folder_, file_of(contrast, rest), voxels_, values, like_, description));
  }

  const std::filesystem::path& folder_;
  const FeatureSpace& voxels_;
  const ImageHeader& like_;
  const GroupInferenceOptions& options_;
};

}  // namespace

void GroupInferenceOptions::validate() const {
  if (!(alpha > 0 && alpha < 1) || !(cluster_forming_p > 0 && cluster_forming_p < 0.5)) {
    throw UsageError(
        fmt::format("found --alpha {:g} and --cluster-forming-p {:g}, expected levels above 0 and below 1 "
                    "and 0.5",
                    alpha, cluster_forming_p));
  }
  if (!(discovery_alpha > 0 && discovery_alpha < 1)) {
    throw UsageError(
        fmt::format("found --discovery-alpha {:g}, expected a level above 0 and below 1", discovery_alpha));
  }
  for (const double z : discovery_heights) {
    if (!(z >= 0)) throw UsageError(fmt::format("found --discovery-heights {:g}, expected z values of at least 0", z));
  }
  if (one_sided && permutations < 1) throw UsageError("--one-sided is of --permutations; add them");
  if (tfce && permutations < 1) throw UsageError("--tfce needs --permutations, such as --permutations 5000");
}

GroupInference write_group_inference(const std::filesystem::path& folder, const GlmMaps& glm,
                                     const FeatureSpace& voxels, const ImageHeader& like,
                                     const GroupInferenceOptions& options) {
  if (options.permutations > 0 && glm.subjects < 2) {
    throw UsageError("--permutations rearranges subjects' effects and needs at least two subjects; found one");
  }
  if (voxels.mask.grid.grayordinates != nullptr) {
    return {{}, {"No clusters were formed: that is done of voxels, and these are grayordinates."}};
  }
  ContrastWriter writer(folder, voxels, like, options);
  for (std::size_t i = 0; i < glm.group.size(); ++i) {
    const GlmMap& map = glm.group[i];
    writer.write_clusters(map);
    if (options.permutations == 0) continue;
    const GroupQuestion& question = glm.questions.at(i);
    writer.write_permutations(map, question, subject_effects(glm, question.contrast));
  }
  return std::move(writer.result);
}

}  // namespace noema
