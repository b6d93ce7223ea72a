#include "noema/pipelines/train.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/pipelines/command_output.h"
#include "noema/pipelines/final_model.h"
#include "noema/pipelines/output_folder.h"

namespace noema {
namespace {

void refuse_baselines(const std::vector<std::string>& models) {
  const std::vector<std::string> known = model_names();
  for (const std::string& name : models) {
    if (name != "majority" && name != "nuisance") continue;
    throw UsageError(fmt::format("--model {}: a baseline is nothing to keep; expected some of {}", name,
                                 fmt::join(known.begin(), known.end() - 2, ", ")));
  }
  if (models.empty()) {
    throw UsageError(
        fmt::format("--model: found none, expected some of {}", fmt::join(known.begin(), known.end() - 2, ", ")));
  }
}

}  // namespace

Results train_models(const TrainOptions& asked) {
  TrainOptions options = asked;
  options.models.checkpoint_folder = checkpoint_folder(options.prepare.output);
  refuse_baselines(options.models.models);
  check_models(options.models.models);
  const std::filesystem::path& folder = options.prepare.output;
  const PreparedData data = prepare_dataset(options.prepare, [&](const std::vector<LearningRun>& runs) {
    make_label_table(runs, options.evaluation.rule);  // refuses labels that cannot be told apart
    open_output_folder(folder, "train", options.prepare.configuration);
  });
  Results results = start_results("train", data);
  const LearningProblem problem = make_unsplit_problem(data.runs, make_label_table(*data.runs, options.evaluation.rule),
                                                       options.evaluation.rule, options.evaluation.problem.unit);
  results.labels = problem.labels.names;
  results.chance = 1.0 / problem.labels.count();
  results.split = describe_split(problem);
  log_info(fmt::format("{} labels ({}), {} blocks, {} samples ({}), delay {:.1f} s", problem.labels.count(),
                       fmt::join(problem.labels.names, ", "), problem.blocks.size(),
                       problem.folds.front().samples.size(), to_string(problem.unit), problem.folds.front().delay_s));
  Provenance provenance = make_provenance(options.models.seed, options.prepare.configuration);
  provenance.inputs = data.inputs;
  for (const std::string& file : save_final_models(folder, options.models, data, problem, provenance)) {
    results.files.push_back(file);
  }
  remove_checkpoints(folder);
  return results;
}

}  // namespace noema
