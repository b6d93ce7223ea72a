#include "noema/pipelines/glm_contrasts.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>

#include "noema/core/error.h"
#include "noema/core/pattern.h"
#include "noema/pipelines/output_folder.h"

namespace noema {
namespace {

std::string quoted(const std::string& condition) {
  return condition.find('\'') == std::string::npos ? "'" + condition + "'" : "\"" + condition + "\"";
}

std::vector<ContrastRequest> each_condition(const std::vector<std::string>& conditions,
                                            const std::vector<HrfKernel>& kernels) {
  std::vector<ContrastRequest> requests;
  const bool has_one_column = kernels.front().suffix.empty();
  for (const std::string& condition : conditions) {
    std::string formula;
    for (const HrfKernel& kernel : kernels) formula += quoted(condition + kernel.suffix) + "; ";
    requests.push_back({condition, has_one_column ? quoted(condition) : formula});
  }
  return requests;
}

std::vector<ContrastRequest> default_contrasts(const GlmOptions& options, const std::vector<std::string>& conditions) {
  const std::vector<HrfKernel> kernels = hrf_kernels(options.hrf, 2, 16, options.fir_delays);  // for their names
  if (conditions.size() == 1 || !kernels.front().suffix.empty()) {
    return each_condition(conditions, kernels);
  }
  std::vector<ContrastRequest> requests;
  std::string sum;
  for (const std::string& condition : conditions) {
    std::string formula = quoted(condition), others;
    for (const std::string& other : conditions) {
      if (other != condition) others += (others.empty() ? "" : " + ") + quoted(other);
    }
    formula += conditions.size() == 2 ? " - " + others : fmt::format(" - ({})/{}", others, conditions.size() - 1);
    requests.push_back({condition, formula});
    sum += (sum.empty() ? "" : " + ") + quoted(condition);
  }
  const bool is_taken = std::find(conditions.begin(), conditions.end(), "all") != conditions.end();
  requests.push_back({is_taken ? "sum of conditions" : "all", sum});
  return requests;
}

std::vector<ContrastRequest> contrasts_of(const GlmOptions& options, const std::vector<std::string>& conditions) {
  if (options.contrasts.empty() && options.contrast_each.empty()) return default_contrasts(options, conditions);
  std::vector<ContrastRequest> requests = options.contrasts;
  std::vector<std::string> alone;
  std::copy_if(conditions.begin(), conditions.end(), std::back_inserter(alone),
               [&](const std::string& condition) { return fits_any(condition, options.contrast_each); });
  const std::vector<HrfKernel> kernels = hrf_kernels(options.hrf, 2, 16, options.fir_delays);  // for their names
  for (ContrastRequest& request : each_condition(alone, kernels)) requests.push_back(std::move(request));
  return requests;
}

/// A formula that no design could answer is refused before any image is read. (With confounds it may name those.)
void check_formulas(const std::vector<ContrastRequest>& contrasts, const std::vector<std::string>& conditions,
                    const GlmOptions& options) {
  std::vector<std::string> columns{"constant"};
  for (const HrfKernel& kernel : hrf_kernels(options.hrf, 2, 16, options.fir_delays)) {
    for (const std::string& condition : conditions) columns.push_back(condition + kernel.suffix);
  }
  for (const ContrastRequest& contrast : contrasts) {
    with_context(fmt::format("contrast '{}'", contrast.name), [&] { parse_contrast_rows(contrast.formula, columns); });
  }
}

/// F of the group on F of the subjects has several statistics (Wilks, Pillai, Roy …), none that all agree upon.
void check_f_contrasts(const std::vector<ContrastRequest>& subjects, const std::vector<ContrastRequest>& group) {
  const auto first_f = [](const std::vector<ContrastRequest>& contrasts) {
    return std::find_if(contrasts.begin(), contrasts.end(),
                        [](const ContrastRequest& contrast) { return is_f_formula(contrast.formula); });
  };
  const auto of_subjects = first_f(subjects), of_group = first_f(group);
  if (of_subjects == subjects.end() || of_group == group.end()) return;
  throw UsageError(fmt::format(
      "the contrast '{}' and the group contrast '{}' are both F, for which there is no one statistic; ask for one of "
      "them as t contrasts, row by row",
      of_subjects->name, of_group->name));
}

}  // namespace

bool fits_any(const std::string& condition, const std::vector<std::string>& patterns) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return fits_pattern(condition, pattern); });
}

void check_contrast_names(const std::vector<ContrastRequest>& contrasts) {
  std::map<std::string, std::string> seen;
  for (const ContrastRequest& contrast : contrasts) {
    const auto [found, is_new] = seen.emplace(bids_label(contrast.name), contrast.name);
    if (!is_new) {
      throw UsageError(fmt::format("the contrasts '{}' and '{}' would both be written as contrast-{}; rename one",
                                   found->second, contrast.name, found->first));
    }
  }
}

void check_conditions(const GlmOptions& options, const std::vector<std::string>& conditions) {
  std::vector<std::string> named = options.conditions;
  named.insert(named.end(), options.contrast_each.begin(), options.contrast_each.end());
  for (const std::string& pattern : named) {
    if (std::any_of(conditions.begin(), conditions.end(),
                    [&](const std::string& condition) { return fits_pattern(condition, pattern); })) {
      continue;
    }
    throw UsageError(fmt::format("no condition of the events fits '{}', which the model names; there are {}", pattern,
                                 fmt::join(conditions, ", ")));
  }
}

std::vector<ContrastRequest> glm_contrasts(const GlmOptions& options, const std::vector<std::string>& conditions) {
  std::vector<ContrastRequest> contrasts = contrasts_of(options, conditions);
  check_contrast_names(contrasts);
  check_contrast_names(options.group.contrasts);
  if (options.prepare.level != AnalysisLevel::participant) check_f_contrasts(contrasts, options.group.contrasts);
  const bool may_name_confounds = options.prepare.preprocess.confounds != "none" || !options.confound_columns.empty();
  if (!may_name_confounds) check_formulas(contrasts, conditions, options);
  return contrasts;
}

}  // namespace noema
