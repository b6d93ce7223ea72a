#include "noema/io/stats_model.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "noema/core/error.h"
#include "noema/io/text_file.h"

namespace noema {
namespace {

using nlohmann::json;

/// A value of the file and where it stands, such as "Nodes[0].Model.X".
class Field {
 public:
  Field(const std::filesystem::path& path, std::string place, const json& value)
      : path_(&path), place_(std::move(place)), value_(&value) {}

  const json& value() const { return *value_; }
  bool has(const char* key) const { return value_->is_object() && value_->contains(key) && !value_->at(key).is_null(); }

  Field at(const char* key) const {
    if (!has(key)) fail(fmt::format("'{}' is missing", key));
    return {*path_, place_.empty() ? key : place_ + "." + key, value_->at(key)};
  }

  std::vector<Field> items() const {
    if (!value_->is_array()) fail("expected a list");
    std::vector<Field> fields;
    for (std::size_t i = 0; i < value_->size(); ++i) {
      fields.emplace_back(*path_, fmt::format("{}[{}]", place_, i), value_->at(i));
    }
    return fields;
  }

  std::string text() const {
    if (value_->is_number_integer()) return std::to_string(value_->get<long>());
    if (!value_->is_string()) fail("expected text");
    return value_->get<std::string>();
  }

  /// A text or a list of them.
  std::vector<std::string> texts() const {
    if (!value_->is_array()) return {text()};
    std::vector<std::string> words;
    for (const Field& item : items()) words.push_back(item.text());
    return words;
  }

  bool boolean() const {
    if (!value_->is_boolean()) fail("expected true or false");
    return value_->get<bool>();
  }

  /// A number or a fraction as text.
  double number() const {
    if (value_->is_number()) return value_->get<double>();
    if (!value_->is_string()) fail("expected a number");
    const std::string word = value_->get<std::string>();
    const std::size_t slash = word.find('/');
    const double above = parsed(word.substr(0, slash));
    return slash == std::string::npos ? above : above / parsed(word.substr(slash + 1));
  }

  std::vector<double> numbers() const {
    std::vector<double> found;
    for (const Field& item : items()) found.push_back(item.number());
    return found;
  }

  /// Refuses keys of an object that are not understood.
  void only(const std::set<std::string>& known) const {
    if (!value_->is_object()) fail("expected an object");
    for (const auto& [key, value] : value_->items()) {
      if (!known.contains(key) && !value.is_null()) at(key.c_str()).fail("is not supported; leave it out");
    }
  }

  [[noreturn]] void fail(const std::string& why) const {
    throw FormatError(*path_, -1, fmt::format("{}: {}", place_.empty() ? "the model" : place_, why));
  }

 private:
  double parsed(const std::string& word) const {
    double number = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (error != std::errc() || end != word.data() + word.size() || !std::isfinite(number)) {
      fail(fmt::format("'{}' is no number", word));
    }
    return number;
  }

  const std::filesystem::path* path_;
  std::string place_;
  const json* value_;
};

StatsContrast read_contrast(const Field& field) {
  field.only({"Name", "ConditionList", "Conditions", "Weights", "Test", "Description"});
  StatsContrast contrast;
  contrast.name = field.at("Name").text();
  const Field conditions = field.at(field.has("ConditionList") ? "ConditionList" : "Conditions");
  contrast.conditions = conditions.texts();
  const Field test = field.at("Test");
  contrast.is_f = test.text() == "F";
  if (!contrast.is_f && test.text() != "t")
    test.fail(fmt::format("'{}' is not supported; there are t and F", test.text()));
  const Field weights = field.at("Weights");
  const bool has_rows = !weights.items().empty() && weights.items()[0].value().is_array();
  if (has_rows) {
    for (const Field& row : weights.items()) contrast.weights.push_back(row.numbers());
  } else {
    contrast.weights.push_back(weights.numbers());
  }
  for (const std::vector<double>& row : contrast.weights) {
    if (row.size() == contrast.conditions.size()) continue;
    weights.fail(fmt::format("{} weights for {} conditions", row.size(), contrast.conditions.size()));
  }
  if (!contrast.is_f && contrast.weights.size() != 1) weights.fail("a t contrast has one row of weights");
  return contrast;
}

/// Columns, contrasts and dummy contrasts, the same at every level.
StatsNode read_node(const Field& field, const std::set<std::string>& types) {
  field.only({"Level", "Name", "GroupBy", "Model", "Contrasts", "DummyContrasts", "Transformations", "Description"});
  StatsNode node;
  node.name = field.has("Name") ? field.at("Name").text() : field.at("Level").text();
  const Field model = field.at("Model");
  model.only({"X", "Type", "Options", "Software", "Description"});
  if (model.has("Type") && !types.contains(model.at("Type").text())) {
    model.at("Type").fail(fmt::format("'{}' is not supported at this level", model.at("Type").text()));
  }
  node.columns = model.at("X").texts();
  if (field.has("Contrasts")) {
    for (const Field& contrast : field.at("Contrasts").items()) node.contrasts.push_back(read_contrast(contrast));
  }
  if (field.has("DummyContrasts")) {
    const Field dummy = field.at("DummyContrasts");
    dummy.only({"Test", "Conditions", "Contrasts", "ConditionList"});
    const Field test = dummy.at("Test");
    if (test.text() != "t") test.fail(fmt::format("'{}' is not supported; dummy contrasts are t", test.text()));
    node.has_dummy_contrasts = true;
    for (const char* key : {"Conditions", "Contrasts", "ConditionList"}) {
      if (dummy.has(key)) node.dummy_conditions = dummy.at(key).texts();
    }
  }
  return node;
}

std::vector<Field> instructions_of(const Field& node) {
  if (!node.has("Transformations")) return {};
  const Field transformations = node.at("Transformations");
  if (transformations.value().is_array()) return transformations.items();
  transformations.only({"Transformer", "Instructions"});
  return transformations.at("Instructions").items();
}

void read_run_transformations(const Field& node, StatsModel& model) {
  for (const Field& instruction : instructions_of(node)) {
    const Field name = instruction.at("Name");
    if (name.text() == "Factor") {
      instruction.only({"Name", "Input"});
      const std::vector<std::string> inputs = instruction.at("Input").texts();
      if (inputs.size() != 1) instruction.at("Input").fail("one column of the events is supported");
      model.factor = inputs[0];
    } else if (name.text() == "Convolve") {
      instruction.only({"Name", "Input", "Model", "Derivative", "Dispersion"});
      if (model.convolution) name.fail("comes a second time; one response for all conditions is supported");
      StatsConvolution convolution;
      convolution.inputs = instruction.at("Input").texts();
      const Field response = instruction.at("Model");
      convolution.model = response.text();
      if (convolution.model != "spm" && convolution.model != "glover") {
        response.fail(fmt::format("'{}' is not supported; there are spm and glover", convolution.model));
      }
      if (instruction.has("Derivative")) convolution.derivative = instruction.at("Derivative").boolean();
      if (instruction.has("Dispersion")) convolution.dispersion = instruction.at("Dispersion").boolean();
      if (convolution.dispersion && !convolution.derivative) {
        instruction.at("Dispersion").fail("is supported together with Derivative alone");
      }
      model.convolution = std::move(convolution);
    } else {
      name.fail(fmt::format("'{}' is not supported; there are Factor and Convolve", name.text()));
    }
  }
}

void read_run_options(const Field& node, StatsModel& model) {
  if (!node.at("Model").has("Options")) return;
  const Field options = node.at("Model").at("Options");
  options.only({"HighPassFilterCutoffHz"});
  if (!options.has("HighPassFilterCutoffHz")) return;
  const Field cutoff = options.at("HighPassFilterCutoffHz");
  model.high_pass_hz = cutoff.number();
  if (!(*model.high_pass_hz > 0)) cutoff.fail("expected a frequency above 0");
}

/// Which outputs of the level below a node takes together; other groups are another analysis.
struct Grouping {
  std::set<std::string> needed;
  std::set<std::string> allowed = {};
};

void check_grouping(const Field& node, const Grouping& grouping) {
  if (!node.has("GroupBy")) return;
  const Field group_by = node.at("GroupBy");
  const std::vector<std::string> words = group_by.texts();
  const std::set<std::string> found(words.begin(), words.end());
  const auto fits = [&](const std::string& word) {
    return grouping.needed.contains(word) || grouping.allowed.contains(word);
  };
  if (std::all_of(found.begin(), found.end(), fits) &&
      std::includes(found.begin(), found.end(), grouping.needed.begin(), grouping.needed.end())) {
    return;
  }
  group_by.fail(fmt::format(
      "found {}, expected {}{}; other groups are not supported", fmt::join(words, ", "),
      fmt::join(grouping.needed, ", "),
      grouping.allowed.empty() ? "" : fmt::format(" (and {} if you like)", fmt::join(grouping.allowed, ", "))));
}

void refuse_options(const Field& node) {
  const Field model = node.at("Model");
  if (model.has("Options") && !model.at("Options").value().empty()) {
    model.at("Options").fail("is supported at the level Run alone");
  }
}

/// Runs of a session or of a subject, or its sessions, taken together.
StatsNode read_fixed_effects(const Field& node) {
  refuse_options(node);
  if (!instructions_of(node).empty()) node.at("Transformations").fail("is not supported at this level");
  StatsNode found = read_node(node, {"meta", "glm"});
  if (found.columns != std::vector<std::string>{"1"}) node.at("Model").at("X").fail("1 alone is supported");
  return found;
}

/// A factor's columns are told from numbers by their names.
void check_dataset_transformations(const Field& node) {
  for (const Field& instruction : instructions_of(node)) {
    instruction.only({"Name", "Input"});
    const Field name = instruction.at("Name");
    if (name.text() == "Factor") continue;
    name.fail(fmt::format("'{}' is not supported at the dataset; there is Factor", name.text()));
  }
}

std::string lower_case(std::string word) {
  std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return std::tolower(c); });
  return word;
}

void read_level(const Field& node, std::set<std::string>& seen, StatsModel& model) {
  const Field level = node.at("Level");
  const std::string name = lower_case(level.text());
  if (!seen.insert(name).second)
    level.fail(fmt::format("'{}' comes twice; one node a level is supported", level.text()));
  if (name == "run") {
    read_run_transformations(node, model);
    read_run_options(node, model);
    check_grouping(node, {{"run", "subject"}, {"session", "task"}});
    model.run = read_node(node, {"glm"});
  } else if (name == "session") {
    check_grouping(node, {{"session", "subject", "contrast"}});
    model.session = read_fixed_effects(node);
  } else if (name == "subject") {
    check_grouping(node, {{"subject", "contrast"}});
    model.subject = read_fixed_effects(node);
  } else if (name == "dataset") {
    check_dataset_transformations(node);
    refuse_options(node);
    check_grouping(node, {{"contrast"}});
    model.dataset = read_node(node, {"glm", "meta"});
  } else {
    level.fail(fmt::format("'{}' is not supported; there are Run, Session, Subject and Dataset", level.text()));
  }
}

/// The names of the nodes from the run upwards; a node without one has that of its level.
std::vector<std::string> names_by_level(const StatsModel& model) {
  std::vector<std::string> names{model.run.name};
  for (const std::optional<StatsNode>* node : {&model.session, &model.subject, &model.dataset}) {
    if (*node) names.push_back((*node)->name);
  }
  return names;
}

void check_names(const Field& root, const std::vector<std::string>& chain) {
  const std::set<std::string> different(chain.begin(), chain.end());
  if (different.size() < chain.size()) root.at("Nodes").fail("two nodes have the same name");
}

/// Without edges each node takes what the one before it in the file gives.
void check_order(const Field& root, const std::vector<std::string>& chain) {
  const std::vector<Field> nodes = root.at("Nodes").items();
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    const std::string name = nodes[n].at(nodes[n].has("Name") ? "Name" : "Level").text();
    if (name == chain[n]) continue;
    root.at("Nodes").fail(
        fmt::format("without Edges the order is that of the nodes, which must be {}; found '{}' in place {}",
                    fmt::join(chain, ", "), name, n + 1));
  }
}

/// Each level takes what the next lower one gives, and all of it: what edges filter by is not supported.
void check_edges(const Field& root, const StatsModel& model) {
  const std::vector<std::string> chain = names_by_level(model);
  check_names(root, chain);
  if (!root.has("Edges")) return check_order(root, chain);
  const Field edges = root.at("Edges");
  std::set<std::string> reached;
  for (const Field& edge : edges.items()) {
    edge.only({"Source", "Destination"});
    const auto node = [&](const char* end) {
      const Field name = edge.at(end);
      const auto found = std::find(chain.begin(), chain.end(), name.text());
      if (found == chain.end()) {
        name.fail(fmt::format("no node is called '{}'; there are {}", name.text(), fmt::join(chain, ", ")));
      }
      return found;
    };
    const auto source = node("Source"), destination = node("Destination");
    if (destination - source != 1) {
      edge.fail(fmt::format("from '{}' to '{}' is not supported; edges must follow the levels: {}", *source,
                            *destination, fmt::join(chain, " → ")));
    }
    reached.insert(*destination);
  }
  for (std::size_t n = 1; n < chain.size(); ++n) {
    if (!reached.contains(chain[n])) edges.fail(fmt::format("none leads to the node '{}'", chain[n]));
  }
}

}  // namespace

StatsModel read_stats_model(const std::filesystem::path& path) {
  const json content = read_json_object(path);
  const Field root(path, "", content);
  root.only({"Name", "Description", "BIDSModelVersion", "Input", "Nodes", "Edges"});
  StatsModel model;
  model.name = root.has("Name") ? root.at("Name").text() : path.stem().string();
  if (root.has("Input")) {
    const Field input = root.at("Input");
    input.only({"task", "subject", "session", "run", "space"});
    for (const auto& [key, value] : input.value().items()) model.input[key] = input.at(key.c_str()).texts();
  }
  std::set<std::string> seen;
  for (const Field& node : root.at("Nodes").items()) read_level(node, seen, model);
  if (!seen.contains("run")) root.at("Nodes").fail("there is no node of level Run");
  check_edges(root, model);
  return model;
}

}  // namespace noema
