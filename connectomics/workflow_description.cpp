#include "noema/connectomics/workflow_description.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "noema/core/command.h"
#include "noema/core/error.h"

namespace noema {
namespace {

using nlohmann::json;
using Kinds = std::vector<FlowKind>;

template <class Spec>
std::vector<std::string> names_of(const std::vector<Spec>& specs) {
  std::vector<std::string> names;
  for (const Spec& spec : specs) names.push_back(spec.name);
  return names;
}

template <class Spec>
const Spec* find(const std::vector<Spec>& specs, const std::string& name) {
  const auto at = std::find_if(specs.begin(), specs.end(), [&](const Spec& spec) { return spec.name == name; });
  return at == specs.end() ? nullptr : &*at;
}

/// "found 'x', expected one of a, b; did you mean 'a'?"
std::string unknown(const std::string& found, const std::vector<std::string>& known) {
  const auto nearest = nearest_match(found, known);
  return fmt::format("found '{}', expected one of {}{}", found, fmt::join(known, ", "),
                     nearest ? fmt::format("; did you mean '{}'?", *nearest) : "");
}

const char* type_name(const SettingValue& value) {
  static constexpr const char* kNames[] = {"true or false", "a number", "a word"};
  return kNames[value.index()];
}

std::vector<SettingSpec> with_weights(const std::vector<SettingSpec>& settings) {
  std::vector<SettingSpec> all = workflow_loss_settings();
  all.insert(all.end(), settings.begin(), settings.end());
  return all;
}

struct SettingFault {
  std::string key;
  std::string message;
};

constexpr SettingRange kFromZero{.low = 0}, kAboveZero{.low = 0, .open = true}, kShare{.low = 0, .high = 1};
constexpr SettingRange kCount{.low = 0, .high = 999999, .whole = true};

bool is_within(double value, const SettingRange& range) {
  if (!std::isfinite(value) || (range.whole && value != std::floor(value))) return false;
  return range.open ? value > range.low && value < range.high : value >= range.low && value <= range.high;
}

/// "a whole number from 0 to 999999", "a number above 0"
std::string describe(const SettingRange& range) {
  std::string text = range.whole ? "a whole number" : "a number";
  if (std::isfinite(range.low)) text += fmt::format(" {} {:g}", range.open ? "above" : "from", range.low);
  if (std::isfinite(range.high)) {
    text += fmt::format(" {} {:g}", range.open ? "and below" : "to", range.high);
  } else if (std::isfinite(range.low) && !range.open) {
    text += " on";
  }
  return text;
}

std::optional<SettingFault> fault_of_settings(const std::vector<SettingSpec>& specs, const Settings& given,
                                              const std::string& of) {
  for (const auto& [name, value] : given) {
    const SettingSpec* spec = find(specs, name);
    if (spec == nullptr)
      return SettingFault{name, fmt::format("setting of {}: {}", of, unknown(name, names_of(specs)))};
    if (value.index() != spec->default_value.index()) {
      return SettingFault{name, fmt::format("{} of {}: found {}, expected {}", name, of, type_name(value),
                                            type_name(spec->default_value))};
    }
    const auto* number = std::get_if<double>(&value);
    if (number != nullptr && !is_within(*number, spec->range)) {
      return SettingFault{name,
                          fmt::format("{} of {}: found {}, expected {}", name, of, *number, describe(spec->range))};
    }
    const auto* word = std::get_if<std::string>(&value);
    if (word == nullptr || spec->choices.empty()) continue;
    if (std::find(spec->choices.begin(), spec->choices.end(), *word) == spec->choices.end()) {
      return SettingFault{name, fmt::format("{} of {}: {}", name, of, unknown(*word, spec->choices))};
    }
  }
  return std::nullopt;
}

/// A weight that is 0 all the time, or a ramp without an end.
std::optional<SettingFault> fault_of_weights(const Settings& given, const std::string& of) {
  const auto number = [&](const char* name) { return number_of(workflow_loss_settings(), given, name); };
  if (!given.contains("last-weight")) {
    for (const char* name : {"ramp-begin", "ramp-end"}) {
      if (given.contains(name)) {
        return SettingFault{name, fmt::format("{} of {}: found no last-weight, expected the weight that the ramp ends "
                                              "with",
                                              name, of)};
      }
    }
    if (number("weight") > 0) return std::nullopt;
    return SettingFault{"weight", fmt::format("weight of {}: found 0, expected a number above 0, or a last-weight "
                                              "above 0 that it changes to",
                                              of)};
  }
  if (number("weight") == 0 && number("last-weight") == 0) {
    return SettingFault{"last-weight",
                        fmt::format("last-weight of {}: found 0 as the weight is, expected one of them above 0", of)};
  }
  if (number("ramp-end") > number("ramp-begin")) return std::nullopt;
  return SettingFault{"ramp-end", fmt::format("ramp-end of {}: found {} with ramp-begin {}, expected a later step", of,
                                              number("ramp-end"), number("ramp-begin"))};
}

/// Blocks by their names as far as they are known.
struct Known {
  std::vector<std::string> names;
  std::vector<const BlockType*> types;

  const BlockType* type_of(const std::string& name) const {
    const auto at = std::find(names.begin(), names.end(), name);
    return at == names.end() ? nullptr : types[static_cast<std::size_t>(at - names.begin())];
  }
};

std::string name_of(const BlockDescription& block) { return block.name.empty() ? block.type : block.name; }

std::optional<WorkflowFault> fault_of_block(const BlockDescription& block, std::size_t index, const Known& before) {
  const auto fault = [&](const std::string& key, const std::string& message) {
    return WorkflowFault{false, index, key, message};
  };
  const BlockType* type = find(workflow_block_types(), block.type);
  if (type == nullptr) return fault("type", "type of block: " + unknown(block.type, names_of(workflow_block_types())));
  const std::string name = name_of(block);
  if (name == "input" || before.type_of(name) != nullptr) {
    return fault("name", fmt::format("the name '{}' is taken; give the block another with name = \"…\"", name));
  }
  FlowKind given = FlowKind::series;
  std::string source = block.input.empty() ? (before.names.empty() ? "input" : before.names.back()) : block.input;
  if (source != "input") {
    const BlockType* from = before.type_of(source);
    if (from == nullptr) {
      std::vector<std::string> earlier{"input"};
      earlier.insert(earlier.end(), before.names.begin(), before.names.end());
      return fault("input", fmt::format("input of '{}': {}", name, unknown(source, earlier)));
    }
    given = from->to;
  }
  if (given != type->from) {
    return fault("input", fmt::format("'{}' ({}) takes {}, but '{}' gives {}", name, type->name, to_string(type->from),
                                      source, to_string(given)));
  }
  if (block.learn && type->learns.empty()) {
    std::vector<std::string> can;
    for (const BlockType& other : workflow_block_types()) {
      if (!other.learns.empty()) can.push_back(other.name);
    }
    return fault("learn", fmt::format("'{}': a block of type {} has nothing to learn; those that have: {}", name,
                                      type->name, fmt::join(can, ", ")));
  }
  if (const auto wrong = fault_of_settings(type->settings, block.settings, name)) {
    return fault(wrong->key, wrong->message);
  }
  return std::nullopt;
}

bool fits(const LossType& loss, const BlockType& block) {
  return std::find(loss.of_types.begin(), loss.of_types.end(), block.name) != loss.of_types.end() ||
         std::find(loss.of_kinds.begin(), loss.of_kinds.end(), block.to) != loss.of_kinds.end();
}

std::string wanted(const LossType& loss) {
  std::vector<std::string> words;
  for (const std::string& type : loss.of_types) words.push_back("of type " + type);
  for (const FlowKind kind : loss.of_kinds) words.push_back("that gives " + to_string(kind));
  return fmt::format("a block {}", fmt::join(words, " or "));
}

/// The last block that a loss can look at; empty without one.
std::string last_that_fits(const LossType& loss, const Known& blocks) {
  for (std::size_t b = blocks.names.size(); b-- > 0;) {
    if (fits(loss, *blocks.types[b])) return blocks.names[b];
  }
  return {};
}

std::optional<WorkflowFault> fault_of_loss(const LossDescription& loss, std::size_t index, const Known& blocks) {
  const auto fault = [&](const std::string& key, const std::string& message) {
    return WorkflowFault{true, index, key, message};
  };
  const LossType* type = find(workflow_loss_types(), loss.type);
  if (type == nullptr) return fault("type", "type of loss: " + unknown(loss.type, names_of(workflow_loss_types())));
  if (last_that_fits(*type, blocks).empty()) {
    return fault("type", fmt::format("the loss {} needs {}; found the blocks {}", loss.type, wanted(*type),
                                     fmt::join(blocks.names, ", ")));
  }
  if (!loss.of.empty()) {
    const BlockType* block = blocks.type_of(loss.of);
    if (block == nullptr) return fault("of", fmt::format("of: {}", unknown(loss.of, blocks.names)));
    if (!fits(*type, *block)) {
      return fault("of", fmt::format("the loss {} needs {}, but '{}' is of type {}", loss.type, wanted(*type), loss.of,
                                     block->name));
    }
  }
  auto wrong = fault_of_settings(with_weights(type->settings), loss.settings, loss.type);
  if (!wrong) wrong = fault_of_weights(loss.settings, loss.type);
  if (wrong) return fault(wrong->key, wrong->message);
  return std::nullopt;
}

template <class Value>
Value setting(const std::vector<SettingSpec>& specs, const Settings& given, const std::string& name) {
  const auto at = given.find(name);
  if (at != given.end()) {
    if (const auto* value = std::get_if<Value>(&at->second)) return *value;
  } else if (const SettingSpec* spec = find(specs, name)) {
    if (const auto* value = std::get_if<Value>(&spec->default_value)) return *value;
  }
  throw UsageError(fmt::format("setting '{}': found none of that type", name));
}

json settings_json(const Settings& settings) {
  json object = json::object();
  for (const auto& [name, value] : settings) {
    std::visit([&, &key = name](const auto& content) { object[key] = content; }, value);
  }
  return object;
}

Settings settings_from(const json& object) {
  Settings settings;
  for (const auto& [name, value] : object.items()) {
    if (value.is_boolean()) {
      settings[name] = value.get<bool>();
    } else if (value.is_number()) {
      settings[name] = value.get<double>();
    } else {
      settings[name] = value.get<std::string>();
    }
  }
  return settings;
}

}  // namespace

std::string to_string(FlowKind kind) {
  static constexpr const char* kNames[] = {"series", "matrices", "vectors", "scores"};
  return kNames[static_cast<std::size_t>(kind)];
}

const std::vector<BlockType>& workflow_block_types() {
  using enum FlowKind;
  static const std::vector<BlockType> kTypes = {
      {"interpolate",
       series,
       series,
       "Fills censored frames of series and confounds, and cuts off what lies before the first and after the last kept "
       "one",
       {{"method",
         std::string("cubic"),
         "drop leaves censored frames out instead",
         {"linear", "cubic", "harmonic", "hybrid", "drop"}},
        {"highest-frequency", 0.1, "harmonic: in cycles per frame", {}, {.low = 1e-9, .high = 0.5}},
        {"oversampling",
         2.0,
         "harmonic: frequencies are multiples of 1/(this · frames)",
         {},
         {.low = 1, .high = 1000, .whole = true}},
        {"ridge", 1e-6, "harmonic: penalty on the harmonics", {}, kFromZero},
        {"largest-gain", 4.0, "harmonic: times noise may be stronger in filled frames", {}, {.low = 1}}}},
      {"cosine-drifts",
       series,
       series,
       "Slow cosines join the confounds",
       {{"high-pass", 0.0078125, "Hz: cosines slower than this", {}, kAboveZero}}},
      {"detrend",
       series,
       series,
       "Removes polynomials of time from series and confounds alike",
       {{"degree", 1.0, "1: constant and line", {}, kCount}}},
      {"filter",
       series,
       series,
       "Filters series and confounds alike, without delay",
       {{"method",
         std::string("butterworth"),
         "butterworth: order 5, forward and backward; response: amplitudes at evenly spaced frequencies, straight "
         "lines "
         "between",
         {"butterworth", "response"}},
        {"high-pass", 0.0, "Hz; 0: none", {}, kFromZero},
        {"low-pass", 0.0, "Hz; 0: none", {}, kFromZero},
        {"knots", 33.0, "response: amplitudes from 0 to Nyquist", {}, {.low = 2, .high = 9999, .whole = true}}},
       "the filter's coefficients (butterworth) or amplitudes between 0 and 1 (response)"},
      {"regress",
       series,
       series,
       "Least squares on the confounds over the kept frames; their fit is removed",
       {{"combinations", 0.0, "0: all confounds; else so many orthonormal combinations of them", {}, kCount},
        {"ridge", 0.0, "penalty on the coefficients", {}, kFromZero}},
       "which combinations of the confounds are removed"},
      {"standardise",
       series,
       series,
       "Each series to mean 0 and standard deviation 1 over the kept frames",
       {{"by", std::string("zscore"), "zscore: n − 1; zscore-population: n", {"zscore", "zscore-population"}}}},
      {"parcellate",
       series,
       series,
       "Weighted means of voxels",
       {{"parcels", 0.0, "0: as many as the start has", {}, kCount},
        {"start",
         std::string("labels"),
         "labels: of the atlas, else of geometric parcels; random",
         {"labels", "random"}},
        {"start-weight", 0.9, "learned: a voxel's weight in its own parcel", {}, {.low = 0, .high = 1, .open = true}},
        {"temperature", 1.0, "learned: of the softmax over parcels", {}, kAboveZero},
        {"straight-through", false, "learned: hard parcels forward, the gradient of soft ones"}},
       "the weights of voxels in parcels, which sum to 1 over the parcels"},
      {"covariance",
       series,
       matrices,
       "Of the kept frames",
       {{"estimator",
         std::string("ledoit-wolf"),
         "sample: n − 1; empirical: n; ledoit-wolf and oas: shrunk by their formulas; shrunk: by `shrinkage`",
         {"sample", "empirical", "ledoit-wolf", "oas", "shrunk"}},
        {"shrinkage", 0.1, "shrunk: the share of a multiple of the identity", {}, kShare}},
       "the shrinkage (estimator shrunk)"},
      {"correlation", matrices, matrices, "Of covariances"},
      {"precision", matrices, matrices, "The inverse of covariances"},
      {"partial-correlation", matrices, matrices, "Of covariances"},
      {"tangent",
       matrices,
       matrices,
       "log(R^(−1/2) Σ R^(−1/2)) of covariances Σ, R a mean of the training runs",
       {{"mean",
         std::string("karcher"),
         "published: the Karcher mean where nilearn's iteration ends",
         {"karcher", "published", "log-euclidean", "harmonic", "bures", "euclidean"}}},
       "the reference R, from that mean on"},
      {"vectorise",
       matrices,
       vectors,
       "The upper triangle row by row",
       {{"diagonal", std::string("dropped"), "scaled: divided by √2", {"dropped", "kept", "scaled"}},
        {"fisher", false, "Fisher's z of correlations; without the diagonal"}}},
      {"readout",
       vectors,
       scores,
       "A linear map of vectors, centred and scaled by the training runs",
       {},
       "its weights (always)"},
  };
  return kTypes;
}

const std::vector<SettingSpec>& workflow_loss_settings() {
  static const std::vector<SettingSpec> kSettings = {
      {"weight", 1.0, "What it is multiplied with", {}, kFromZero},
      {"last-weight", -1.0, "The weight from step `ramp-end` on; without it the weight stays", {}, kFromZero},
      {"ramp-begin", 0.0, "The step at which the weight begins to change", {}, kCount},
      {"ramp-end", 0.0, "The step at which it ends", {}, kCount}};
  return kSettings;
}

const std::vector<LossType>& workflow_loss_types() {
  using enum FlowKind;
  static const std::vector<LossType> kTypes = {
      {"cross-entropy", "Of the classes of `target`", Kinds{scores}},
      {"squared-error", "From the numbers of `target`, in their standard deviations", Kinds{scores}},
      {"qc-fc",
       "Mean over edges of (|r| − tolerance)² where positive, r the correlation over runs of an edge with motion",
       Kinds{matrices, vectors},
       {},
       {{"tolerance", 0.0, "Correlations up to this are free", {}, {.low = 0, .high = 0.999}}}},
      {"homogeneity", "1 − mean correlation of the series within parcels, which count by their voxels", {}, {"parcellate"}},
      {"unexplained-variance", "Share of the variance over voxels that parcels leave", {}, {"parcellate"}},
      {"entropy", "Of a voxel's weights, as a share of the largest there can be", {}, {"parcellate"}},
      {"compactness", "Mean distance in mm of a parcel's weight from its centre", {}, {"parcellate"}},
      {"imbalance", "Mean |weight of a parcel − mean over parcels|, per voxel", {}, {"parcellate"}},
      {"roughness", "Mean square difference of neighbouring amplitudes", {}, {"filter"}},
      {"norm",
       "Mean of |weights|^power",
       {},
       {"readout"},
       {{"power", 2.0, "1 or 2", {}, {.low = 1, .high = 2, .whole = true}}}},
  };
  return kTypes;
}

std::optional<WorkflowFault> fault_of(const WorkflowDescription& description) {
  if (description.blocks.empty()) return WorkflowFault{false, 0, "", "found no blocks, expected at least one"};
  Known known;
  for (std::size_t b = 0; b < description.blocks.size(); ++b) {
    if (auto fault = fault_of_block(description.blocks[b], b, known)) return fault;
    known.names.push_back(name_of(description.blocks[b]));
    known.types.push_back(find(workflow_block_types(), description.blocks[b].type));
  }
  for (std::size_t l = 0; l < description.losses.size(); ++l) {
    if (auto fault = fault_of_loss(description.losses[l], l, known)) return fault;
  }
  return std::nullopt;
}

WorkflowDescription completed(const WorkflowDescription& description) {
  if (const auto fault = fault_of(description)) throw UsageError("workflow: " + fault->message);
  WorkflowDescription whole = description;
  Known known;
  for (BlockDescription& block : whole.blocks) {
    block.name = name_of(block);
    if (block.input.empty()) block.input = known.names.empty() ? "input" : known.names.back();
    if (block.type == "readout") block.learn = true;
    known.names.push_back(block.name);
    known.types.push_back(find(workflow_block_types(), block.type));
  }
  for (LossDescription& loss : whole.losses) {
    if (loss.of.empty()) loss.of = last_that_fits(*find(workflow_loss_types(), loss.type), known);
  }
  return whole;
}

const BlockType& block_type(const std::string& name) {
  const BlockType* type = find(workflow_block_types(), name);
  if (type == nullptr) throw UsageError("type of block: " + unknown(name, names_of(workflow_block_types())));
  return *type;
}

double number_of(const std::vector<SettingSpec>& specs, const Settings& given, const std::string& name) {
  return setting<double>(specs, given, name);
}
bool truth_of(const std::vector<SettingSpec>& specs, const Settings& given, const std::string& name) {
  return setting<bool>(specs, given, name);
}
std::string word_of(const std::vector<SettingSpec>& specs, const Settings& given, const std::string& name) {
  return setting<std::string>(specs, given, name);
}

std::string to_json_text(const WorkflowDescription& description) {
  json blocks = json::array(), losses = json::array();
  for (const BlockDescription& block : description.blocks) {
    blocks.push_back({{"name", block.name},
                      {"type", block.type},
                      {"input", block.input},
                      {"learn", block.learn},
                      {"settings", settings_json(block.settings)}});
  }
  for (const LossDescription& loss : description.losses) {
    losses.push_back({{"type", loss.type}, {"of", loss.of}, {"settings", settings_json(loss.settings)}});
  }
  return json{{"blocks", blocks}, {"losses", losses}}.dump();
}

WorkflowDescription workflow_from_json(const std::string& text) {
  try {
    const json all = json::parse(text);
    WorkflowDescription description;
    for (const json& block : all.at("blocks")) {
      description.blocks.push_back({block.at("name"), block.at("type"), block.at("input"), block.at("learn"),
                                    settings_from(block.at("settings"))});
    }
    for (const json& loss : all.at("losses")) {
      description.losses.push_back({loss.at("type"), loss.at("of"), settings_from(loss.at("settings"))});
    }
    return description;
  } catch (const json::exception& error) {
    throw DataError(fmt::format("the description of a workflow cannot be read: {}", error.what()));
  }
}

}  // namespace noema
