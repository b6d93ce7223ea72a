#include "noema/pipelines/final_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/progress.h"
#include "noema/learn/model_file.h"
#include "noema/learn/torch_settings.h"
#include "noema/pipelines/preprocess_config.h"

namespace noema {
namespace {

std::string normalisation_of(Standardize standardize) {
  switch (standardize) {
    case Standardize::zscore:
    case Standardize::zscore_population:
      return "z-score";
    case Standardize::percent:
      return "percent-change";
    case Standardize::none:
      return "none";
  }
  return "none";
}

int longest_sample(const SampleSet& set) {
  std::size_t longest = 0;
  for (const Sample& sample : set.samples) longest = std::max(longest, sample.volumes.size());
  return static_cast<int>(longest);
}

InputContract contract_of(const PreparedData& data, const LearningProblem& problem, const AllSamples& samples,
                          const Provenance& provenance) {
  InputContract contract;
  contract.features = *data.features;
  contract.tr_s = data.runs->front().series.tr_s;
  contract.normalisation = normalisation_of(data.preprocess.clean.standardize);
  contract.preprocessing = preprocess_to_toml(data.preprocess);
  contract.labels = problem.labels.names;
  contract.unit = problem.unit;
  contract.window_volumes = longest_sample(samples.set);
  contract.hrf_weighted = problem.unit != SampleUnit::runs && problem.rule.delay == DelayKind::hrf;
  contract.delay_s = contract.hrf_weighted ? samples.estimate.delay_s : samples.delay_s;
  contract.discard_s = problem.rule.discard_s;
  contract.extend_s = problem.rule.extend_s;
  contract.windows = problem.rule.windows;
  contract.provenance = provenance.to_json().dump();
  return contract;
}

}  // namespace

void write_final_model(const std::filesystem::path& path, const FinalModel& fitted, const PreparedData& data,
                       const LearningProblem& problem, const Provenance& provenance) {
  write_model(path, {fitted.model->kind(), contract_of(data, problem, fitted.data, provenance), fitted.model->save()});
}

std::vector<std::string> save_final_models(const std::filesystem::path& folder, const ModelOptions& options,
                                           const PreparedData& data, const LearningProblem& problem,
                                           const Provenance& provenance) {
  std::vector<std::string> files;
  const std::vector<ModelPlan> plans = plan_models(options, data.features->kind, problem.unit);
  const OneTorchThread guard;  // small fits, one after the other: LibTorch's threads would cost more than they bring
  Progress progress("final models", static_cast<std::int64_t>(plans.size()));
  for (const ModelPlan& plan : plans) {
    check_cancelled();
    progress.advance();
    if (plan.is_baseline) continue;
    const FinalModel fitted = with_context(fmt::format("final model '{}'", plan.name),
                                           [&] { return fit_on_all(problem, plan.resumable_factory(), options.seed); });
    files.push_back(fmt::format("model-{}.safetensors", plan.name));
    write_final_model(folder / files.back(), fitted, data, problem, provenance);
  }
  return files;
}

}  // namespace noema
