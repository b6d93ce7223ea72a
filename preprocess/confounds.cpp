#include "noema/preprocess/confounds.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <span>

#include "noema/core/error.h"

namespace noema {
namespace {

constexpr const char* kDisplacement = "framewise_displacement";
constexpr const char* kDvars = "std_dvars";

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
  if (options.motion) {
    take_model(table, {"trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"}, *options.motion, choice);
  }
  if (options.wm_csf) take_model(table, {"csf", "white_matter"}, *options.wm_csf, choice);
  if (options.global_signal) take_model(table, {"global_signal"}, *options.global_signal, choice);
  if (options.high_pass) {
    const std::size_t before = choice.names.size();
    for (const std::string& name : table.names) {
      if (name.find("cosine") != std::string::npos) choice.names.insert(name);
    }
    if (choice.names.size() == before) choice.missing.push_back("cosineNN");
  }
  if (options.compcor) take_compcor(table, *options.compcor, options.n_compcor, choice);
  if (options.scrub) {
    if (std::isfinite(options.scrub->fd_threshold_mm)) take_judge(table, kDisplacement, choice);
    if (std::isfinite(options.scrub->std_dvars_threshold)) take_judge(table, kDvars, choice);
  }
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
    keep = keep_mask(judged_by(kDisplacement, options.scrub->fd_threshold_mm),
                     judged_by(kDvars, options.scrub->std_dvars_threshold), *options.scrub);
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

}  // namespace

void ConfoundsOptions::validate() const {
  if (compcor && !high_pass) {
    throw UsageError("CompCor confounds need the cosines too (high_pass): they were computed from filtered data");
  }
  if (n_compcor && *n_compcor < 1) {
    throw UsageError(fmt::format("found {} CompCor components, expected at least 1", *n_compcor));
  }
}

ConfoundsOptions confounds_strategy(std::string_view name) {
  ConfoundsOptions options;
  if (name == "none") return options;
  options.motion = ConfoundModel::full;
  if (name == "motion") return options;
  options.high_pass = true;
  if (name == "simple") {
    options.wm_csf = ConfoundModel::basic;
  } else if (name == "scrubbing") {
    options.wm_csf = ConfoundModel::full;
    options.scrub = ScrubOptions{};
  } else if (name == "compcor") {
    options.compcor = CompCor::anat_combined;
  } else {
    throw UsageError(
        fmt::format("confounds strategy '{}': expected one of {}", name, fmt::join(kConfoundsStrategies, ", ")));
  }
  return options;
}

std::vector<std::string> servable_strategies(const ConfoundTable& table) {
  std::vector<std::string> names;
  for (const std::string_view name : kConfoundsStrategies) {
    if (choose(table, confounds_strategy(name)).missing.empty()) names.emplace_back(name);
  }
  return names;
}

Confounds select_confounds(const ConfoundTable& table, const ConfoundsOptions& options) {
  options.validate();
  const Choice choice = choose(table, options);
  if (!choice.missing.empty()) {
    throw DataError(fmt::format("'{}' lacks the columns {}; it can serve the strategies {}", table.path.string(),
                                fmt::join(choice.missing, ", "), fmt::join(servable_strategies(table), ", ")));
  }
  Confounds result;
  result.names.assign(choice.names.begin(), choice.names.end());
  result.keep = volumes_to_keep(table, options);
  const Eigen::Index volumes = table.values.rows();
  const auto kept = std::count(result.keep.begin(), result.keep.end(), 1);
  if (kept == 0) {
    throw DataError(fmt::format("'{}': all {} volumes are censored; raise the thresholds or drop the run",
                                table.path.string(), volumes));
  }
  result.values.resize(volumes, static_cast<Eigen::Index>(result.names.size()));
  for (std::size_t c = 0; c < result.names.size(); ++c) {
    auto values = result.values.col(static_cast<Eigen::Index>(c));
    values = table.values.col(table.index(result.names[c]));
    if (volumes > 1 && std::isnan(values[0])) values[0] = values[1];
    double sum = 0;
    for (Eigen::Index t = 0; t < volumes; ++t) {
      if (!result.keep[static_cast<std::size_t>(t)]) continue;
      if (!std::isfinite(values[t])) {
        throw DataError(
            fmt::format("'{}': column {} has no number at volume {} (counted from 0); only the first volume "
                        "may lack one",
                        table.path.string(), result.names[c], t));
      }
      sum += values[t];
    }
    if (options.demean) values.array() -= sum / static_cast<double>(kept);
  }
  return result;
}

}  // namespace noema
