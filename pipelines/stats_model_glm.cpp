#include "noema/pipelines/stats_model_glm.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

#include "noema/core/error.h"
#include "noema/core/pattern.h"

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
  const auto covers = [&](const std::string& input) { return input == model.factor || fits_pattern(column, input); };
  if (std::any_of(inputs.begin(), inputs.end(), covers)) return;
  throw UsageError(
      fmt::format("the model of the runs has the column '{}', which Convolve leaves out; all conditions or "
                  "none must be convolved",
                  column));
}

void apply_columns(const StatsModel& model, GlmOptions& options) {
  bool has_intercept = false, all_conditions = false;  // an empty list of conditions stands for all
  for (const std::string& column : model.run.columns) {
    const auto condition = condition_of(model, column);
    if (column == "1" || column == "intercept") {
      has_intercept = true;
    } else if (!condition) {
      options.confound_columns.push_back(column);
    } else {
      require_convolved(model, column);
      options.conditions.push_back(*condition);
      all_conditions = all_conditions || *condition == "*";
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

/// A weight is of one column.
void refuse_wildcard(const std::string& column, const std::string& contrast) {
  if (!has_wildcard(column)) return;
  throw UsageError(fmt::format(
      "the contrast '{}' names '{}'; wildcards may stand in X and in dummy contrasts, weights are of single columns",
      contrast, column));
}

/// Asks for it unless that is asked already; one of the same name that asks something else gives way.
void request(ContrastRequest wanted, std::vector<ContrastRequest>& contrasts) {
  std::erase_if(contrasts, [&](const ContrastRequest& other) { return other.name == wanted.name; });
  contrasts.push_back(std::move(wanted));
}

void apply_run_contrasts(const StatsModel& model, GlmOptions& options) {
  const auto term = [&](const std::string& column) {
    if (column == "1" || column == "intercept") return std::string("'constant'");
    return quoted(condition_of(model, column).value_or(column));
  };
  for (const StatsContrast& contrast : model.run.contrasts) {
    std::vector<std::string> terms;
    for (const std::string& condition : contrast.conditions) {
      refuse_wildcard(condition, contrast.name);
      terms.push_back(term(condition));
    }
    options.contrasts.push_back({contrast.name, formula_of(contrast, terms)});
  }
  if (!model.run.has_dummy_contrasts) return;
  std::vector<std::string> wanted = model.run.dummy_conditions;
  if (wanted.empty()) {
    std::copy_if(model.run.columns.begin(), model.run.columns.end(), std::back_inserter(wanted),
                 [&](const std::string& column) { return condition_of(model, column).has_value(); });
  }
  for (const std::string& column : wanted) {
    const auto condition = condition_of(model, column);
    if (condition && has_wildcard(*condition)) {
      options.contrast_each.push_back(*condition);
      continue;
    }
    refuse_wildcard(column, "DummyContrasts");
    request({condition.value_or(column), term(column)}, options.contrasts);
  }
}

/// The formula of a t contrast of the level below; those of conditions that a wildcard names are the conditions.
std::optional<std::string> formula_below(const GlmOptions& options, const std::string& name) {
  for (const ContrastRequest& contrast : options.contrasts) {
    if (contrast.name == name) return is_f_formula(contrast.formula) ? std::nullopt : std::optional(contrast.formula);
  }
  for (const std::string& pattern : options.contrast_each) {
    if (fits_pattern(name, pattern)) return quoted(name);
  }
  return std::nullopt;
}

/// Of the contrasts below those that the dummy contrasts of a session or subject name; 1 names all.
void keep_named(const StatsNode& node, const char* level, GlmOptions& options) {
  const std::vector<std::string>& wanted = node.dummy_conditions;
  const auto names_all = [](const std::string& name) { return name == "1" || name == "intercept"; };
  if (wanted.empty() || std::any_of(wanted.begin(), wanted.end(), names_all)) return;
  std::vector<ContrastRequest> kept;
  for (const std::string& name : wanted) {
    const auto same = std::find_if(options.contrasts.begin(), options.contrasts.end(),
                                   [&](const ContrastRequest& contrast) { return contrast.name == name; });
    const std::optional<std::string> formula =
        same != options.contrasts.end() ? same->formula : formula_below(options, name);
    if (!formula) {
      throw UsageError(
          fmt::format("DummyContrasts of the {} name '{}', which is no contrast of the level below", level, name));
    }
    request({name, *formula}, kept);
  }
  options.contrasts = std::move(kept);
  options.contrast_each.clear();
}

/// Contrasts of contrasts, of a session or subject. Those below stay where dummy contrasts ask for them, and where
/// sessions have maps of them.
void apply_fixed_effects(const StatsNode& node, const char* level, GlmOptions& options) {
  std::vector<ContrastRequest> made;
  for (const StatsContrast& contrast : node.contrasts) {
    std::vector<std::string> terms;
    for (const std::string& name : contrast.conditions) {
      const std::optional<std::string> found = formula_below(options, name);
      if (!found) {
        throw UsageError(fmt::format("the {}'s contrast '{}' is of '{}', which is no t contrast of the level below",
                                     level, contrast.name, name));
      }
      terms.push_back("(" + *found + ")");
    }
    made.push_back({contrast.name, formula_of(contrast, terms)});
  }
  const bool of_sessions = options.by_session && level == std::string_view("subject");
  if (node.has_dummy_contrasts) {
    keep_named(node, level, options);
  } else if (!made.empty() && !of_sessions) {
    options.contrasts.clear();
    options.contrast_each.clear();
  }
  for (ContrastRequest& contrast : made) request(std::move(contrast), options.contrasts);
}

void apply_dataset(const StatsModel& model, GlmOptions& options) {
  const StatsNode& node = *model.dataset;
  const bool is_mean = node.columns == std::vector<std::string>{"1"} && node.contrasts.empty();
  if (is_mean) return;
  for (const std::string& column : node.columns) {
    const std::size_t dot = column.find('.');
    if (!has_wildcard(column) || (dot != std::string::npos && !has_wildcard(column.substr(0, dot)))) continue;
    throw UsageError(fmt::format(
        "the model of the dataset has the column '{}'; wildcards stand for values of a factor, as in group.*", column));
  }
  options.group.columns = node.columns;
  const auto term = [](const std::string& column) { return quoted(column == "1" ? "intercept" : column); };
  for (const StatsContrast& contrast : node.contrasts) {
    std::vector<std::string> terms;
    for (const std::string& condition : contrast.conditions) {
      refuse_wildcard(condition, contrast.name);
      terms.push_back(term(condition));
    }
    options.group.contrasts.push_back({contrast.name, formula_of(contrast, terms)});
  }
  if (!node.has_dummy_contrasts) return;
  if (node.contrasts.empty() && node.dummy_conditions.empty()) return;  // each column by itself
  for (const std::string& column : node.dummy_conditions.empty() ? node.columns : node.dummy_conditions) {
    refuse_wildcard(column, "DummyContrasts of the dataset");
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
  options.by_session = model.session.has_value();
  if (model.session) apply_fixed_effects(*model.session, "session", options);
  if (model.subject) apply_fixed_effects(*model.subject, "subject", options);
  if (options.contrasts.empty() && options.contrast_each.empty()) {
    throw UsageError("the model asks for no contrast: give its runs Contrasts or DummyContrasts");
  }
  if (model.dataset) apply_dataset(model, options);
  if (!model.dataset) options.prepare.level = AnalysisLevel::participant;
}

}  // namespace noema
