#include "noema/pipelines/preprocess_config.h"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <sstream>

#include "noema/core/command.h"
#include "noema/core/error.h"
#include "noema/preprocess/smooth_grayordinates.h"

namespace noema {
namespace {

/// The options as a table: the one list of keys, used in both directions.
toml::table to_table(const PreprocessOptions& options) {
  toml::table table;
  table.insert("fwhm_mm", options.fwhm_mm);
  const std::string surfaces = options.surfaces ? surfaces_fingerprint(*options.surfaces) : options.surfaces_hash;
  if (options.fwhm_mm > 0 && !surfaces.empty()) table.insert("surfaces", surfaces);
  if (options.region_statistic != RegionStatistic::mean) {
    table.insert("region_statistic", region_statistic_name(options.region_statistic));
  }
  table.insert("detrend", options.clean.detrend);
  table.insert("filter", to_string(options.clean.filter));
  if (options.clean.high_pass_hz) table.insert("high_pass_hz", *options.clean.high_pass_hz);
  if (options.clean.low_pass_hz) table.insert("low_pass_hz", *options.clean.low_pass_hz);
  table.insert("standardize", to_string(options.clean.standardize));
  table.insert("standardize_confounds", options.clean.standardize_confounds);
  table.insert("confounds", options.confounds);
  if (options.fd_threshold_mm) table.insert("fd_threshold_mm", *options.fd_threshold_mm);
  if (options.std_dvars_threshold) table.insert("std_dvars_threshold", *options.std_dvars_threshold);
  if (options.shortest_segment) table.insert("shortest_segment", *options.shortest_segment);
  if (!options.regress_confounds) table.insert("regress_confounds", false);
  table.insert("compute_missing", options.compute_missing);
  table.insert("drop_first", options.drop_first);
  return table;
}

toml::table all_keys() {
  PreprocessOptions options;
  options.fwhm_mm = 1;
  options.surfaces_hash = "any";
  options.clean.high_pass_hz = options.clean.low_pass_hz = 1.0;
  options.fd_threshold_mm = options.std_dvars_threshold = 1.0;
  options.shortest_segment = 1;
  options.region_statistic = RegionStatistic::median;
  options.regress_confounds = false;
  return to_table(options);
}

void refuse_unknown_keys(const toml::table& table) {
  std::vector<std::string> known;
  for (const auto& [key, value] : all_keys()) known.emplace_back(key.str());
  for (const auto& [key, value] : table) {
    const std::string name(key.str());
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const auto nearest = nearest_match(name, known);
    throw DataError(fmt::format("preprocessing configuration: found the unknown key '{}'{}", name,
                                nearest ? fmt::format(", did you mean '{}'?", *nearest) : ""));
  }
}

template <class Value>
std::optional<Value> get(const toml::table& table, std::string_view key) {
  const auto node = table[key];
  if (!node) return std::nullopt;
  if (const auto value = node.template value<Value>()) return *value;
  throw DataError(fmt::format("preprocessing configuration: '{}' has a value of another type than expected", key));
}

RegionStatistic statistic_of(const std::string& name) {
  if (const auto statistic = parse_region_statistic(name)) return *statistic;
  throw DataError(fmt::format("preprocessing configuration: there is no statistic of regions '{}'", name));
}

}  // namespace

std::string preprocess_to_toml(const PreprocessOptions& options) {
  std::ostringstream text;
  text << to_table(options) << "\n";
  return text.str();
}

PreprocessOptions preprocess_from_toml(std::string_view text) {
  toml::table table;
  try {
    table = toml::parse(text);
  } catch (const toml::parse_error& error) {
    throw DataError(fmt::format("the preprocessing configuration is no TOML: {}", error.description()));
  }
  refuse_unknown_keys(table);
  PreprocessOptions options;
  options.fwhm_mm = get<double>(table, "fwhm_mm").value_or(options.fwhm_mm);
  options.surfaces_hash = get<std::string>(table, "surfaces").value_or("");
  if (const auto name = get<std::string>(table, "region_statistic")) options.region_statistic = statistic_of(*name);
  options.clean.detrend = get<bool>(table, "detrend").value_or(options.clean.detrend);
  if (const auto name = get<std::string>(table, "filter")) options.clean.filter = temporal_filter(*name);
  options.clean.high_pass_hz = get<double>(table, "high_pass_hz");
  options.clean.low_pass_hz = get<double>(table, "low_pass_hz");
  if (const auto name = get<std::string>(table, "standardize")) options.clean.standardize = standardize_by(*name);
  options.clean.standardize_confounds =
      get<bool>(table, "standardize_confounds").value_or(options.clean.standardize_confounds);
  options.confounds = get<std::string>(table, "confounds").value_or(options.confounds);
  options.fd_threshold_mm = get<double>(table, "fd_threshold_mm");
  options.std_dvars_threshold = get<double>(table, "std_dvars_threshold");
  if (const auto segment = get<std::int64_t>(table, "shortest_segment")) {
    options.shortest_segment = static_cast<int>(*segment);
  }
  options.regress_confounds = get<bool>(table, "regress_confounds").value_or(options.regress_confounds);
  options.compute_missing = get<bool>(table, "compute_missing").value_or(options.compute_missing);
  options.drop_first = static_cast<int>(get<std::int64_t>(table, "drop_first").value_or(options.drop_first));
  options.validate();
  return options;
}

}  // namespace noema
