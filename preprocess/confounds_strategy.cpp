#include "noema/preprocess/confounds_strategy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <span>

#include "noema/core/command.h"
#include "noema/core/error.h"
#include "noema/preprocess/confound_formula.h"
#include "noema/preprocess/high_variance.h"

namespace noema {
namespace {

constexpr std::array<std::string_view, 4> kModels{"basic", "power2", "derivatives", "full"};
constexpr std::array<std::string_view, 5> kCompCorKinds{"anat_combined", "anat_separated", "temporal",
                                                        "temporal_anat_combined", "temporal_anat_separated"};
constexpr std::array<std::string_view, 2> kAromaKinds{"basic", "full"};
constexpr std::array<std::string_view, 11> kParts{"motion",  "wm_csf",           "global_signal", "high_pass",
                                                  "compcor", "ica_aroma",        "tedana",        "scrub",
                                                  "demean",  "non_steady_state", "high-variance"};

constexpr std::string_view kFormula = "formula:";

/// The member of an enumeration by its name; `otherwise` for no text.
template <class Enum>
Enum named(std::string_view part, std::string_view value, std::span<const std::string_view> names, Enum otherwise) {
  if (value.empty()) return otherwise;
  const auto found = std::find(names.begin(), names.end(), value);
  if (found == names.end()) {
    throw UsageError(fmt::format("confounds: {} '{}': expected one of {}", part, value, fmt::join(names, ", ")));
  }
  return static_cast<Enum>(found - names.begin());
}

int number(std::string_view part, std::string_view value, int least) {
  int result = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), result);
  if (error != std::errc() || end != value.data() + value.size() || result < least) {
    throw UsageError(
        fmt::format("confounds: {}: found '{}', expected a whole number of at least {}", part, value, least));
  }
  return result;
}

void take_compcor(std::string_view value, ConfoundsOptions& options) {
  const std::size_t colon = value.find(':');
  options.compcor = named("compcor", value.substr(0, colon), kCompCorKinds, CompCor::anat_combined);
  options.n_compcor.reset();
  if (colon == std::string_view::npos || value.substr(colon + 1) == "all") return;
  options.n_compcor = number("compcor", value.substr(colon + 1), 1);
}

void take_no_value(std::string_view part, std::string_view value) {
  if (!value.empty()) throw UsageError(fmt::format("confounds: {} takes no value, found '{}'", part, value));
}

void take_tedana(std::string_view value, ConfoundsOptions& options) {
  if (value == "non-aggressive") {
    throw UsageError(
        "confounds: tedana=non-aggressive would regress out the accepted components too, and with them what is looked "
        "for; use tedana, which takes the rejected ones");
  }
  if (!value.empty() && value != "aggressive") {
    throw UsageError(fmt::format("confounds: tedana '{}': expected aggressive, or no value", value));
  }
  options.tedana = true;
}

void take_part(std::string_view part, std::string_view value, ConfoundsOptions& options) {
  if (part == "motion") {
    options.motion = named(part, value, kModels, ConfoundModel::full);
  } else if (part == "wm_csf") {
    options.wm_csf = named(part, value, kModels, ConfoundModel::basic);
  } else if (part == "global_signal") {
    options.global_signal = named(part, value, kModels, ConfoundModel::basic);
  } else if (part == "high_pass") {
    take_no_value(part, value);
    options.high_pass = true;
  } else if (part == "compcor") {
    take_compcor(value, options);
  } else if (part == "ica_aroma") {
    options.ica_aroma = named(part, value, kAromaKinds, IcaAroma::full);
  } else if (part == "tedana") {
    take_tedana(value, options);
  } else if (part == "scrub") {
    options.scrub = ScrubOptions{};
    if (!value.empty()) options.scrub->shortest_segment = number(part, value, 0);
  } else if (part == "demean") {
    if (value != "yes" && value != "no") {
      throw UsageError(fmt::format("confounds: demean: found '{}', expected yes or no", value));
    }
    options.demean = value == "yes";
  } else if (part == "high-variance") {
    options.high_variance = value.empty() ? HighVarianceOptions().confounds : number(part, value, 1);
  } else {
    take_no_value(part, value);  // non_steady_state, which is always done
  }
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

void take_parts(std::string_view text, ConfoundsOptions& options) {
  std::set<std::string_view> seen;
  for (bool more = true; more;) {
    const std::size_t comma = text.find(',');
    more = comma != std::string_view::npos;
    const std::string_view word = trimmed(text.substr(0, comma));
    text = more ? text.substr(comma + 1) : std::string_view();
    const std::size_t sign = word.starts_with("high-variance") ? word.find_first_of(":=") : word.find('=');
    const std::string_view part = trimmed(word.substr(0, sign));
    if (std::find(kParts.begin(), kParts.end(), part) == kParts.end()) {
      std::vector<std::string> known(kConfoundsStrategies.begin(), kConfoundsStrategies.end());
      known.insert(known.end(), kParts.begin(), kParts.end());
      const auto nearest = nearest_match(std::string(part), known);
      throw UsageError(fmt::format("confounds: found '{}', expected one of the strategies {}, or parts of one: {}{}",
                                   part, fmt::join(kConfoundsStrategies, ", "), fmt::join(kParts, ", "),
                                   nearest ? fmt::format("; did you mean {}?", *nearest) : ""));
    }
    if (!seen.insert(part).second) throw UsageError(fmt::format("confounds: {} is given twice", part));
    const bool has_value = sign != std::string_view::npos;
    const std::string_view value = has_value ? trimmed(word.substr(sign + 1)) : std::string_view();
    if (has_value && value.empty()) throw UsageError(fmt::format("confounds: '{}' has no value after =", word));
    take_part(part, value, options);
  }
}

ConfoundsOptions preset(std::string_view name) {
  ConfoundsOptions options;
  if (name == "none") return options;
  if (name != "ica_aroma") options.motion = ConfoundModel::full;
  if (name == "motion") return options;
  options.high_pass = true;
  if (name == "scrubbing") {
    options.wm_csf = ConfoundModel::full;
    options.scrub = ScrubOptions{};
  } else if (name == "compcor") {
    options.compcor = CompCor::anat_combined;
  } else {
    options.wm_csf = ConfoundModel::basic;
    if (name == "ica_aroma") options.ica_aroma = IcaAroma::full;
  }
  return options;
}

bool is_preset(std::string_view name) {
  return std::find(kConfoundsStrategies.begin(), kConfoundsStrategies.end(), name) != kConfoundsStrategies.end();
}

}  // namespace

void ConfoundsOptions::validate() const {
  if (compcor && !high_pass) {
    throw UsageError("CompCor confounds need the cosines too (high_pass): they were computed from filtered data");
  }
  if (n_compcor && *n_compcor < 1) {
    throw UsageError(fmt::format("found {} CompCor components, expected at least 1", *n_compcor));
  }
  if (!formula.empty()) static_cast<void>(ConfoundFormula(formula));
}

bool ConfoundsOptions::needs_table() const {
  return motion || wm_csf || global_signal || high_pass || compcor || ica_aroma || scrub || !formula.empty();
}

ConfoundsOptions confounds_strategy(std::string_view text) {
  text = trimmed(text);
  ConfoundsOptions options;
  if (text.starts_with(kFormula)) {
    options.formula = trimmed(text.substr(kFormula.size()));
    if (options.formula.empty()) throw UsageError("confounds: 'formula:' without a formula");
    options.validate();
    return options;
  }
  const std::size_t plus = text.find('+');
  const std::string_view name = trimmed(text.substr(0, plus));
  if (is_preset(name)) {
    options = preset(name);
    if (plus != std::string_view::npos) take_parts(text.substr(plus + 1), options);
  } else if (plus != std::string_view::npos) {
    throw UsageError(
        fmt::format("confounds: found '{}' before +, expected one of the strategies {} (parts are joined "
                    "by commas)",
                    name, fmt::join(kConfoundsStrategies, ", ")));
  } else {
    take_parts(text, options);
  }
  options.validate();
  return options;
}

void check_image_for(const std::filesystem::path& bold, const ConfoundsOptions& options) {
  const std::string name = bold.filename().string();
  if (options.ica_aroma == IcaAroma::full && name.find("desc-smoothAROMAnonaggr_bold") == std::string::npos) {
    throw DataError(
        fmt::format("'{}' is not an image that ICA-AROMA cleaned (desc-smoothAROMAnonaggr_bold); choose such "
                    "images with a BIDS filter file, or the confounds ica_aroma=basic",
                    bold.string()));
  }
  if (options.tedana && name.find("desc-optcom_bold") == std::string::npos) {
    throw DataError(
        fmt::format("'{}' is not an image that tedana combined of the echoes (desc-optcom_bold), which its confounds "
                    "are of; choose such images with a BIDS filter file, or other confounds",
                    bold.string()));
  }
}

}  // namespace noema
