#include "noema/preprocess/confounds.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <span>

#include "noema/core/error.h"
#include "noema/core/log.h"
#include "noema/preprocess/confound_formula.h"

namespace noema {
namespace {

/// What the components that tedana rejected are called (`read_tedana`).
constexpr const char* kRejected = "rejected_";

/// Columns wanted, and what is not there.
struct Choice {
  std::set<std::string> names;  // sorted
  std::vector<std::string> missing;

  void take(const ConfoundTable& table, const std::string& name) {
    if (table.has(name)) {
      names.insert(name);
    } else {
      missing.push_back(name);
    }
  }
};

std::vector<std::string_view> suffixes(ConfoundModel model) {
  switch (model) {
    case ConfoundModel::basic:
      return {""};
    case ConfoundModel::power2:
      return {"", "_power2"};
    case ConfoundModel::derivatives:
      return {"", "_derivative1"};
    case ConfoundModel::full:
      return {"", "_derivative1", "_power2", "_derivative1_power2"};
  }
  return {};
}

void take_model(const ConfoundTable& table, std::initializer_list<std::string_view> bases, ConfoundModel model,
                Choice& choice) {
  for (const std::string_view base : bases) {
    for (const std::string_view suffix : suffixes(model)) choice.take(table, fmt::format("{}{}", base, suffix));
  }
}

/// All columns with this in their name. Are there any?
bool take_containing(const ConfoundTable& table, std::string_view part, Choice& choice) {
  bool any = false;
  for (const std::string& name : table.names) {
    if (name.find(part) == std::string::npos) continue;
    choice.names.insert(name);
    any = true;
  }
  return any;
}

/// The first `most` columns with this prefix, and, where the sidecar tells masks apart, of this mask.
void take_components(const ConfoundTable& table, std::string_view prefix, std::string_view mask,
                     std::optional<int> most, Choice& choice) {
  int taken = 0;
  for (const std::string& name : table.names) {
    if (!name.starts_with(prefix) || (most && taken == *most)) continue;
    if (!mask.empty()) {
      const auto known = table.compcor.find(name);
      if (known == table.compcor.end() || known->second.mask != mask) continue;
    }
    choice.names.insert(name);
    ++taken;
  }
  if (taken == 0)
    choice.missing.push_back(fmt::format(
        "{}NN{}", prefix, mask.empty() ? "" : fmt::format(" of mask {} (told by the .json file beside it)", mask)));
}

void take_compcor(const ConfoundTable& table, CompCor kind, std::optional<int> most, Choice& choice) {
  const bool temporal =
      kind == CompCor::temporal || kind == CompCor::temporal_anat_combined || kind == CompCor::temporal_anat_separated;
  const bool combined = kind == CompCor::anat_combined || kind == CompCor::temporal_anat_combined;
  const bool separated = kind == CompCor::anat_separated || kind == CompCor::temporal_anat_separated;
  // fMRIPrep has had a prefix for each mask since version 21; before, a_comp_cor of all masks and the sidecar to tell.
  const bool prefixes = std::any_of(table.names.begin(), table.names.end(), [](const std::string& name) {
    return name.starts_with("w_comp_cor_") || name.starts_with("c_comp_cor_");
  });
  if (temporal) take_components(table, "t_comp_cor_", "", most, choice);
  if (combined) take_components(table, "a_comp_cor_", prefixes ? "" : "combined", most, choice);
  if (separated && prefixes) {
    take_components(table, "w_comp_cor_", "", most, choice);
    take_components(table, "c_comp_cor_", "", most, choice);
  } else if (separated) {
    take_components(table, "a_comp_cor_", "WM", most, choice);
    take_components(table, "a_comp_cor_", "CSF", most, choice);
  }
}

/// A column that censors but is no regressor.
void take_judge(const ConfoundTable& table, const char* name, Choice& choice) {
  if (!table.has(name)) choice.missing.emplace_back(name);
}

Choice choose(const ConfoundTable& table, const ConfoundsOptions& options) {
  Choice choice;
  if (options.scrub) {
    if (std::isfinite(options.scrub->fd_threshold_mm)) take_judge(table, kDisplacementColumn, choice);
    if (std::isfinite(options.scrub->std_dvars_threshold)) take_judge(table, kDvarsColumn, choice);
  }
  if (!options.formula.empty()) return choice;
  if (options.motion) {
    take_model(table, {"trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"}, *options.motion, choice);
  }
  if (options.wm_csf) take_model(table, {"csf", "white_matter"}, *options.wm_csf, choice);
  if (options.global_signal) take_model(table, {"global_signal"}, *options.global_signal, choice);
  if (options.high_pass) take_containing(table, "cosine", choice);
  if (options.ica_aroma == IcaAroma::basic && !take_containing(table, "aroma", choice)) {
    choice.missing.emplace_back("aroma_motion_NN");
  }
  if (options.tedana) {
    for (const std::string& name : table.names) {
      if (name.starts_with(kRejected)) choice.names.insert(name);
    }
  }
  if (options.compcor) take_compcor(table, *options.compcor, options.n_compcor, choice);
  return choice;
}

std::vector<double> column(const ConfoundTable& table, const std::string& name) {
  const auto values = table.values.col(table.index(name));
  return {values.begin(), values.end()};
}

std::vector<std::uint8_t> volumes_to_keep(const ConfoundTable& table, const ConfoundsOptions& options) {
  std::vector<std::uint8_t> keep(static_cast<std::size_t>(table.values.rows()), 1);
  if (options.scrub) {
    const auto judged_by = [&](const char* name, double threshold) {
      return std::isfinite(threshold) ? column(table, name) : std::vector<double>(keep.size(), 0);
    };
    keep = keep_mask(judged_by(kDisplacementColumn, options.scrub->fd_threshold_mm),
                     judged_by(kDvarsColumn, options.scrub->std_dvars_threshold), *options.scrub);
  }
  for (const std::string& name : table.names) {
    if (name.find("non_steady_state") == std::string::npos) continue;
    const std::vector<double> marked = column(table, name);
    for (std::size_t t = 0; t < keep.size(); ++t) {
      if (marked[t] != 0) keep[t] = 0;
    }
  }
  return keep;
}

std::vector<FormulaColumn> chosen_columns(const ConfoundTable& table, const ConfoundsOptions& options) {
  const Choice choice = choose(table, options);
  if (!choice.missing.empty()) {
    throw DataError(fmt::format("'{}' lacks the columns {}; it can serve the strategies {}", table.path.string(),
                                fmt::join(choice.missing, ", "), fmt::join(servable_strategies(table), ", ")));
  }
  if (!options.formula.empty()) return ConfoundFormula(options.formula).columns(table);
  const auto is_cosine = [](const std::string& name) { return name.find("cosine") != std::string::npos; };
  if (options.high_pass && std::none_of(choice.names.begin(), choice.names.end(), is_cosine)) {
    log_warning(fmt::format("'{}' has no cosines, so the confounds do no high-pass", table.path.string()));
  }
  std::vector<FormulaColumn> columns;
  for (const std::string& name : choice.names) columns.push_back({name, table.values.col(table.index(name))});
  return columns;
}

/// What is missing at the start (the first volume, and as many more as differences cost) takes the first value.
void fill_start(FormulaColumn& column) {
  const Eigen::Index most = std::min<Eigen::Index>(column.values.size(), column.order + 2);
  Eigen::Index first = 0;
  while (first < most && std::isnan(column.values[first])) ++first;
  if (first < most) column.values.head(first).setConstant(column.values[first]);
}

double mean_of_kept(const FormulaColumn& column, const std::vector<std::uint8_t>& keep, const ConfoundTable& table) {
  double sum = 0, count = 0;
  for (std::size_t t = 0; t < keep.size(); ++t) {
    if (!keep[t]) continue;
    const double value = column.values[static_cast<Eigen::Index>(t)];
    if (!std::isfinite(value)) {
      throw DataError(
          fmt::format("'{}': column {} has no number at volume {} (counted from 0); only the first volume "
                      "may lack one",
                      table.path.string(), column.name, t));
    }
    sum += value;
    count += 1;
  }
  return sum / count;
}

}  // namespace

std::vector<std::string> servable_strategies(const ConfoundTable& table) {
  std::vector<std::string> names;
  for (const std::string_view name : kConfoundsStrategies) {
    const ConfoundsOptions options = confounds_strategy(name);
    if (options.ica_aroma == IcaAroma::full) continue;  // the image decides
    if (choose(table, options).missing.empty()) names.emplace_back(name);
  }
  return names;
}

Confounds select_confounds(const ConfoundTable& table, const ConfoundsOptions& options) {
  options.validate();
  std::vector<FormulaColumn> columns = chosen_columns(table, options);
  Confounds result;
  result.keep = volumes_to_keep(table, options);
  const Eigen::Index volumes = table.values.rows();
  const auto kept = std::count(result.keep.begin(), result.keep.end(), 1);
  if (kept == 0) {
    throw DataError(fmt::format("'{}': all {} volumes are censored; raise the thresholds or drop the run",
                                table.path.string(), volumes));
  }
  result.values.resize(volumes, static_cast<Eigen::Index>(columns.size()));
  for (std::size_t c = 0; c < columns.size(); ++c) {
    fill_start(columns[c]);
    const double mean = mean_of_kept(columns[c], result.keep, table);
    // Missing values are left at censored volumes alone, which count for nothing.
    columns[c].values = columns[c].values.unaryExpr([mean](double x) { return std::isfinite(x) ? x : mean; });
    if (options.demean) columns[c].values.array() -= mean;
    result.values.col(static_cast<Eigen::Index>(c)) = columns[c].values;
    result.names.push_back(std::move(columns[c].name));
  }
  return result;
}

}  // namespace noema
