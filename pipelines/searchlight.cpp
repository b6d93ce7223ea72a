#include "noema/pipelines/searchlight.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "noema/core/error.h"
#include "noema/io/cifti.h"
#include "noema/io/dataset.h"
#include "noema/pipelines/command_output.h"
#include "noema/pipelines/output_folder.h"
#include "noema/pipelines/prepare.h"

namespace noema {
namespace {

bool are_same(const std::vector<Sample>& a, const std::vector<Sample>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Sample& x, const Sample& y) {
    return x.run == y.run && x.label == y.label && x.volumes == y.volumes && x.weights == y.weights;
  });
}

/// Of every voxel of the mask; mean over the folds.
std::vector<float> scores_of(const LearningProblem& problem, const Mask& mask, const SearchlightOptions& options) {
  std::vector<std::int32_t> centres(mask.voxels.size());
  std::iota(centres.begin(), centres.end(), 0);
  const auto scores_in = [&](const FoldData& of, const std::vector<FoldSamples>& folds) {
    const SampleSet set{problem.runs, of.samples, problem.labels.count()};
    return searchlight(sample_means(set), set.labels(), folds, mask, centres, options);
  };
  const FoldData& first = problem.folds.front();
  const bool one_set = std::all_of(problem.folds.begin(), problem.folds.end(),
                                   [&](const FoldData& fold) { return are_same(fold.samples, first.samples); });
  if (one_set) {
    std::vector<FoldSamples> folds;
    for (const FoldData& fold : problem.folds) folds.push_back({fold.train, fold.test});
    return scores_in(first, folds);
  }
  // Delays are estimated in each fold, so samples differ.
  std::vector<float> mean(centres.size(), 0);
  for (const FoldData& fold : problem.folds) {
    const std::vector<float> scores = scores_in(fold, {{fold.train, fold.test}});
    for (std::size_t v = 0; v < mean.size(); ++v) mean[v] += scores[v] / static_cast<float>(problem.folds.size());
  }
  return mean;
}

SearchlightPeak best_of(const std::vector<float>& scores, const Mask& mask) {
  const auto best = std::max_element(scores.begin(), scores.end());
  const auto at = mask.grid.voxel_at(mask.voxels[static_cast<std::size_t>(best - scores.begin())]);
  const Eigen::Vector4d place(static_cast<double>(at[0]), static_cast<double>(at[1]), static_cast<double>(at[2]), 1);
  const Eigen::Vector4d ras = mask.grid.ras_from_voxel * place;
  return {*best, {ras[0], ras[1], ras[2]}};
}

PrepareOptions with_voxels(PrepareOptions prepare) {
  if (!prepare.spheres.empty()) throw UsageError("a searchlight looks at voxels; leave out --spheres");
  if (!prepare.atlas.empty() || (prepare.features != "auto" && prepare.features != "voxels")) {
    throw UsageError("a searchlight looks at voxels; leave out --atlas, and --features other than voxels");
  }
  prepare.features = "voxels";
  return prepare;
}

/// Their neighbours are on the surface, which spheres of voxels know nothing of.
void refuse_grayordinates(const PrepareOptions& prepare) {
  for (const Run& run : index_dataset(prepare.root, prepare.query).runs) {
    if (!is_cifti_file(run.bold)) continue;
    throw UsageError(fmt::format(
        "'{}' holds grayordinates, and a searchlight looks at voxels; choose volumes (--space)", run.bold.string()));
  }
}

}  // namespace

SearchlightResults run_searchlight(const SearchlightCommandOptions& options) {
  options.searchlight.validate();
  const PrepareOptions prepare = with_voxels(options.prepare);
  const WarningCollector warnings;
  Stopwatch watch;
  const std::filesystem::path& folder = prepare.output;
  const auto begin = [&](const std::vector<LearningRun>& runs) {
    if (options.evaluation.problem.shuffled_folds == 0) check_split_options(runs, options.evaluation.problem.split);
    refuse_grayordinates(prepare);
    open_output_folder(folder, "searchlight", prepare.configuration);
  };
  const PreparedData data = watch.time("preprocessing", [&] { return prepare_dataset(prepare, begin); });
  SearchlightResults found;
  Results& results = found.results;
  results = start_results("searchlight", data);
  if (prepare.level == AnalysisLevel::participant) return found;

  const LearningProblem problem = watch.time(
      "labels and folds", [&] { return make_problem(data.runs, options.evaluation.rule, options.evaluation.problem); });
  record_problem(folder, problem, results);
  const Mask& mask = data.features->mask;
  const std::vector<float> scores =
      watch.time("searchlight", [&] { return scores_of(problem, mask, options.searchlight); });
  found.best = best_of(scores, mask);
  found.centres = mask.size();

  const std::string stem = "maps/desc-searchlight_stat-";
  std::vector<float> above = scores;
  for (float& score : above) score -= static_cast<float>(results.chance);
  const std::string above_file = write_map(folder, stem + "aboveChance_statmap.nii.gz", *data.features, above,
                                           data.mean.header, "searchlight, balanced accuracy above chance");
  results.files.push_back(write_map(folder, stem + "balancedAccuracy_statmap.nii.gz", *data.features, scores,
                                    data.mean.header, "searchlight, balanced accuracy"));
  results.files.push_back(above_file);

  Provenance provenance = make_provenance(prepare.seed, prepare.configuration);
  provenance.inputs = data.inputs;
  const std::vector<ModelEvaluation> no_models;
  const std::vector<ModelMaps> no_maps;
  CommandFindings findings{data, problem, no_models, no_maps, nullptr, provenance};
  findings.title = fmt::format("Searchlight of {}", data.dataset.name);
  findings.further_maps = {
      {above_file, fmt::format("balanced accuracy above chance, spheres of {:g} mm", options.searchlight.radius_mm),
       "searchlight", "all labels", "balanced accuracy − chance"}};
  finish_results(folder, findings, watch, warnings, results);
  return found;
}

}  // namespace noema
