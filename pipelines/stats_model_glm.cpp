#include "noema/pipelines/stats_model_glm.h"

#include <fmt/format.h>

#include <algorithm>

#include "noema/core/error.h"

namespace noema {
namespace {

/// "face" of "trial_type.face"; nothing for other columns.
std::optional<std::string> condition_of(const StatsModel& model, const std::string& column) {
  const std::string beginning = model.factor + ".";
  if (!column.starts_with(beginning)) return std::nullopt;
  return column.substr(beginning.size());
}

std::string quoted(const std::string& column) {
  return column.find('\'') == std::string::npos ? "'" + column + "'" : "\"" + column + "\"";
}

HrfModel response_of(const StatsModel& model) {
  if (!model.convolution) return HrfModel::none;
  const bool spm = model.convolution->model == "spm";
  if (model.convolution->dispersion) {
    return spm ? HrfModel::spm_derivative_dispersion : HrfModel::glover_derivative_dispersion;
  }
  if (model.convolution->derivative) return spm ? HrfModel::spm_derivative : HrfModel::glover_derivative;
  return spm ? HrfModel::spm : HrfModel::glover;
}

void require_convolved(const StatsModel& model, const std::string& column) {
  if (!model.convolution) return;
  const std::vector<std::string>& inputs = model.convolution->inputs;
  const auto covers = [&](const std::string& input) {
    return input == column || input == model.factor || input == model.factor + ".*";
  };
  if (std::any_of(inputs.begin(), inputs.end(), covers)) return;
  throw UsageError(
      fmt::format("the model of the runs has the column '{}', which Convolve leaves out; all conditions or "
                  "none must be convolved",
                  column));
}

void apply_columns(const StatsModel& model, GlmOptions& options) {
  bool has_intercept = false, all_conditions = false;
  for (const std::string& column : model.run.columns) {
    const auto condition = condition_of(model, column);
    if (column == "1" || column == "intercept") {
      has_intercept = true;
    } else if (!condition) {
      options.confound_columns.push_back(column);
    } else {
      require_convolved(model, column);
      if (*condition == "*") {
        all_conditions = true;
      } else if (condition->find('*') != std::string::npos) {
        throw UsageError(fmt::format(
            "the model of the runs has the column '{}'; conditions are named, or all by '{}.*'", column, model.factor));
      } else {
        options.conditions.push_back(*condition);
      }
    }
  }
  if (!has_intercept)
    throw UsageError("the model of the runs has no 1 in X; designs without a constant are not supported");
  if (all_conditions) options.conditions.clear();
}

std::string row_formula(const std::vector<std::string>& terms, const std::vector<double>& weights) {
  std::string formula;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    if (weights[i] == 0) continue;
    formula += fmt::format("{}{:.17g}*{}", formula.empty() ? "" : " + ", weights[i], terms[i]);
  }
  return formula;
}

/// Weights of terms as one formula, parted by ';' for F.
std::string formula_of(const StatsContrast& contrast, const std::vector<std::string>& terms) {
  std::string formula;
  for (const std::vector<double>& row : contrast.weights) {
    formula += row_formula(terms, row) + (contrast.is_f ? "; " : "");
  }
  return formula;
}

void apply_run_contrasts(const StatsModel& model, GlmOptions& options) {
  const auto term = [&](const std::string& column) {
    if (column == "1" || column == "intercept") return std::string("'constant'");
    return quoted(condition_of(model, column).value_or(column));
  };
  for (const StatsContrast& contrast : model.run.contrasts) {
    std::vector<std::string> terms;
    for (const std::string& condition : contrast.conditions) terms.push_back(term(condition));
    options.contrasts.push_back({contrast.name, formula_of(contrast, terms)});
  }
  if (!model.run.has_dummy_contrasts) return;
  std::vector<std::string> wanted = model.run.dummy_conditions;
  if (wanted.empty() && options.conditions.empty()) {
    if (!options.contrasts.empty()) {
      throw UsageError(
          fmt::format("the runs' dummy contrasts stand beside other contrasts while X names conditions by "
                      "'{}.*'; name the conditions",
                      model.factor));
    }
    options.each_condition = true;
    return;
  }
  for (const std::string& condition : options.conditions) {
    if (model.run.dummy_conditions.empty()) wanted.push_back(model.factor + "." + condition);
  }
  for (const std::string& column : wanted) {
    options.contrasts.push_back({condition_of(model, column).value_or(column), term(column)});
  }
}

/// Contrasts of contrasts; the run's own stay only where dummy contrasts ask for them.
void apply_subject(const StatsNode& node, GlmOptions& options) {
  if (node.contrasts.empty()) return;
  const std::vector<ContrastRequest> of_runs = options.contrasts;
  std::vector<ContrastRequest> made;
  for (const StatsContrast& contrast : node.contrasts) {
    std::vector<std::string> terms;
    for (const std::string& name : contrast.conditions) {
      const auto found =
          std::find_if(of_runs.begin(), of_runs.end(), [&](const ContrastRequest& r) { return r.name == name; });
      if (found == of_runs.end() || is_f_formula(found->formula)) {
        throw UsageError(fmt::format("the subject's contrast '{}' is of '{}', which is no t contrast of the runs",
                                     contrast.name, name));
      }
      terms.push_back("(" + found->formula + ")");
    }
    made.push_back({contrast.name, formula_of(contrast, terms)});
  }
  if (!node.has_dummy_contrasts) options.contrasts.clear();
  options.contrasts.insert(options.contrasts.end(), made.begin(), made.end());
}

void apply_dataset(const StatsModel& model, GlmOptions& options) {
  const StatsNode& node = *model.dataset;
  const bool is_mean = node.columns == std::vector<std::string>{"1"} && node.contrasts.empty();
  if (is_mean) return;
  for (const std::string& column : node.columns) {
    if (column.find('*') != std::string::npos) {
      throw UsageError(
          fmt::format("the model of the dataset has the column '{}'; name each value of a factor", column));
    }
  }
  options.group.columns = node.columns;
  const auto term = [](const std::string& column) { return quoted(column == "1" ? "intercept" : column); };
  for (const StatsContrast& contrast : node.contrasts) {
    std::vector<std::string> terms;
    for (const std::string& condition : contrast.conditions) terms.push_back(term(condition));
    options.group.contrasts.push_back({contrast.name, formula_of(contrast, terms)});
  }
  if (!node.has_dummy_contrasts) return;
  for (const std::string& column : node.dummy_conditions.empty() ? node.columns : node.dummy_conditions) {
    options.group.contrasts.push_back({column == "1" ? "intercept" : column, term(column)});
  }
}

void apply_input(const StatsModel& model, DatasetQuery& query) {
  const std::pair<const char*, std::string*> single[] = {
      {"task", &query.task}, {"session", &query.session}, {"run", &query.run}, {"space", &query.space}};
  for (const auto& [key, value] : single) {
    const auto found = model.input.find(key);
    if (found == model.input.end()) continue;
    if (found->second.size() != 1) {
      throw UsageError(fmt::format("Input.{} of the model has {} values; one is supported", key, found->second.size()));
    }
    *value = found->second[0];
  }
  if (const auto found = model.input.find("subject"); found != model.input.end()) query.participants = found->second;
}

}  // namespace

void apply_stats_model(const StatsModel& model, GlmOptions& options) {
  apply_input(model, options.prepare.query);
  options.prepare.label_column = model.factor;
  options.hrf = response_of(model);
  options.prepare.high_pass_hz = model.high_pass_hz ? AutoNumber{AutoNumber::Kind::given, *model.high_pass_hz}
                                                    : AutoNumber{AutoNumber::Kind::none, 0};
  options.no_drift = !model.high_pass_hz;
  apply_columns(model, options);
  apply_run_contrasts(model, options);
  if (model.subject) apply_subject(*model.subject, options);
  if (options.contrasts.empty() && !options.each_condition) {
    throw UsageError("the model asks for no contrast: give its runs Contrasts or DummyContrasts");
  }
  if (model.dataset) apply_dataset(model, options);
  if (!model.dataset) options.prepare.level = AnalysisLevel::participant;
}

}  // namespace noema
