#include "noema/pipelines/final_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "noema/core/cancel.h"
#include "noema/core/error.h"
#include "noema/core/progress.h"
#include "noema/learn/cross_validation.h"
#include "noema/learn/model_file.h"
#include "noema/learn/torch_settings.h"
#include "noema/pipelines/preprocess_config.h"

namespace noema {
namespace {

std::string normalisation_of(Standardize standardize) {
  switch (standardize) {
    case Standardize::zscore:
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
  contract.delay_s = samples.delay_s;
  contract.discard_s = problem.rule.discard_s;
  contract.extend_s = problem.rule.extend_s;
  contract.provenance = provenance.to_json().dump();
  return contract;
}

}  // namespace

void save_final_models(const DecodeOptions& options, const PreparedData& data, const LearningProblem& problem,
                       const Provenance& provenance, Results& results) {
  if (problem.split.leaks) return;  // a demonstration of leakage is no model for use
  const std::vector<ModelPlan> plans = plan_models(options.models, data.features->kind, problem.unit);
  const OneTorchThread guard;  // small fits, one after the other: LibTorch's threads would cost more than they bring
  Progress progress("final models", static_cast<std::int64_t>(plans.size()));
  for (const ModelPlan& plan : plans) {
    check_cancelled();
    progress.advance();
    if (plan.is_baseline) continue;
    const FinalModel fitted = with_context(fmt::format("final model '{}'", plan.name),
                                           [&] { return fit_on_all(problem, plan.factory, options.models.seed); });
    const std::string name = fmt::format("model-{}.safetensors", plan.name);
    write_model(options.prepare.output / name,
                {fitted.model->kind(), contract_of(data, problem, fitted.data, provenance), fitted.model->save()});
    results.files.push_back(name);
  }
}

}  // namespace noema
