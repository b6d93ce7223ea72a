#include "noema/pipelines/workflow_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <toml++/toml.h>
#include <algorithm>
#include <fstream>
#include <sstream>

#include "noema/core/command.h"
#include "noema/core/error.h"

namespace noema {
namespace {

class Parser {
 public:
  Parser(const std::filesystem::path& path, const std::string& text) : path_(path) {
    try {
      root_ = toml::parse(text);
    } catch (const toml::parse_error& error) {
      fail(error.source().begin.line, fmt::format("is no TOML: {}", error.description()));
    }
  }

  WorkflowFile read() {
    require_known(root_, {"training", "block", "loss"}, "table");
    WorkflowFile file;
    for (const toml::table* table : tables("block")) file.workflow.blocks.push_back(read_block(*table));
    for (const toml::table* table : tables("loss")) file.workflow.losses.push_back(read_loss(*table));
    if (const auto fault = fault_of(file.workflow)) fail_at(*fault);
    if (const toml::node* node = root_.get("training")) read_training(*table_of(*node, "training"), file.training);
    return file;
  }

 private:
  [[noreturn]] void fail(std::size_t line, const std::string& message) const {
    throw UsageError(fmt::format("'{}', line {}: {}", path_.string(), line, message));
  }
  [[noreturn]] void fail(const toml::node& node, const std::string& message) const {
    fail(node.source().begin.line, message);
  }

  /// The line of the key at fault, else of its table.
  [[noreturn]] void fail_at(const WorkflowFault& fault) const {
    const std::vector<const toml::table*> all = tables(fault.in_loss ? "loss" : "block");
    if (fault.index >= all.size()) fail(1, fault.message);
    const toml::node* node = all[fault.index]->get(fault.key);
    fail(node != nullptr ? *node : static_cast<const toml::node&>(*all[fault.index]), fault.message);
  }

  void require_known(const toml::table& table, const std::vector<std::string>& known, const char* what) const {
    for (const auto& [key, value] : table) {
      const std::string name(key.str());
      if (std::find(known.begin(), known.end(), name) != known.end()) continue;
      const auto nearest = nearest_match(name, known);
      fail(key.source().begin.line,
           fmt::format("{}: found '{}', expected one of {}{}", what, name, fmt::join(known, ", "),
                       nearest ? fmt::format("; did you mean '{}'?", *nearest) : ""));
    }
  }

  const toml::table* table_of(const toml::node& node, const std::string& name) const {
    if (const toml::table* table = node.as_table()) return table;
    fail(node, fmt::format("'{}': expected a table", name));
  }

  std::vector<const toml::table*> tables(const std::string& name) const {
    std::vector<const toml::table*> list;
    const toml::node* node = root_.get(name);
    if (node == nullptr) return list;
    const toml::array* array = node->as_array();
    if (array == nullptr) fail(*node, fmt::format("'{0}': expected tables [[{0}]]", name));
    for (const toml::node& entry : *array) list.push_back(table_of(entry, name));
    return list;
  }

  std::string word(const toml::node& node, std::string_view key) const {
    if (const auto value = node.value_exact<std::string>()) return *value;
    fail(node, fmt::format("{}: expected a word in quotes", key));
  }
  double number(const toml::node& node, std::string_view key, double low, double high) const {
    const auto value = node.is_number() ? node.value<double>() : std::nullopt;
    if (!value) fail(node, fmt::format("{}: expected a number", key));
    if (!(*value >= low && *value <= high)) {
      fail(node, fmt::format("{}: found {}, expected {} to {}", key, *value, low, high));
    }
    return *value;
  }

  Settings read_settings(const toml::table& table, const std::vector<std::string>& others) const {
    Settings settings;
    for (const auto& [key, value] : table) {
      const std::string name(key.str());
      if (std::find(others.begin(), others.end(), name) != others.end()) continue;
      if (value.is_boolean()) {
        settings[name] = *value.value<bool>();
      } else if (value.is_number()) {
        settings[name] = *value.value<double>();
      } else if (value.is_string()) {
        settings[name] = *value.value<std::string>();
      } else {
        fail(value, fmt::format("{}: expected a number, a word in quotes, or true or false", name));
      }
    }
    return settings;
  }

  std::string required_type(const toml::table& table, const char* what) const {
    const toml::node* type = table.get("type");
    if (type == nullptr) fail(table, fmt::format("a {} needs type = \"…\"", what));
    return word(*type, "type");
  }

  BlockDescription read_block(const toml::table& table) const {
    BlockDescription block;
    block.type = required_type(table, "block");
    if (const toml::node* node = table.get("name")) block.name = word(*node, "name");
    if (const toml::node* node = table.get("input")) block.input = word(*node, "input");
    if (const toml::node* node = table.get("learn")) {
      if (!node->is_boolean()) fail(*node, "learn: expected true or false");
      block.learn = *node->value<bool>();
    }
    block.settings = read_settings(table, {"type", "name", "input", "learn"});
    return block;
  }

  LossDescription read_loss(const toml::table& table) const {
    LossDescription loss;
    loss.type = required_type(table, "loss");
    if (const toml::node* node = table.get("of")) loss.of = word(*node, "of");
    loss.settings = read_settings(table, {"type", "of"});
    return loss;
  }

  void read_training(const toml::table& table, WorkflowTraining& training) const {
    require_known(
        table,
        {"epochs", "batch-size", "learning-rate", "patience", "split", "validation", "held-out", "target", "quality"},
        "training");
    for (const auto& [key, value] : table) {
      const std::string name(key.str());
      if (name == "epochs") training.epochs = whole(value, name, 1);
      if (name == "batch-size") training.batch_size = whole(value, name, 0);
      if (name == "learning-rate") training.learning_rate = number(value, name, 1e-12, 1e6);
      if (name == "patience") training.patience = whole(value, name, 0);
      if (name == "validation") training.validation = number(value, name, 0.01, 0.99);
      if (name == "target") training.target = word(value, name);
      if (name == "quality") training.quality = word(value, name);
      if (name == "split") training.split = word(value, name);
      if (name == "split" && training.split != "subject" && training.split != "run") {
        fail(value, fmt::format("split: found '{}', expected one of subject, run", training.split));
      }
      if (name != "held-out") continue;
      if (!value.is_array()) fail(value, "held-out: expected a list such as [\"01\", \"02\"]");
      for (const toml::node& entry : *value.as_array()) training.held_out.push_back(word(entry, name));
    }
  }

  int whole(const toml::node& node, const std::string& key, double low) const {
    if (!node.is_integer()) fail(node, fmt::format("{}: expected a whole number", key));
    return static_cast<int>(number(node, key, low, 1e8));
  }

  std::filesystem::path path_;
  toml::table root_;
};

}  // namespace

WorkflowFile read_workflow_file(const std::filesystem::path& path) {
  std::ifstream stream(path);
  if (!stream) throw IoError(path, "cannot be read; expected a workflow in TOML");
  std::ostringstream text;
  text << stream.rdbuf();
  WorkflowFile file = Parser(path, text.str()).read();
  file.text = text.str();
  return file;
}

}  // namespace noema
