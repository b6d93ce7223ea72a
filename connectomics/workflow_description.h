// connectomics/workflow_description: a workflow as data: which blocks follow one another, what is learned, by which
// losses.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace noema {

using SettingValue = std::variant<bool, double, std::string>;
using Settings = std::map<std::string, SettingValue>;

/// What flows from block to block.
enum class FlowKind {
  series,    ///< of each run (F, T), with its confounds and its mask of kept frames
  matrices,  ///< one a run, (N, P, P)
  vectors,   ///< one a run, (N, E)
  scores,    ///< of each run (N, K)
};
std::string to_string(FlowKind kind);

/// Which numbers a setting may be given.
struct SettingRange {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool whole = false;
  /// Do the bounds themselves not belong to it?
  bool open = false;
};

/// A setting of a block or loss: its default tells its type.
struct SettingSpec {
  std::string name;
  SettingValue default_value;
  std::string help;
  /// Of words; empty: any.
  std::vector<std::string> choices = {};
  /// Of numbers.
  SettingRange range = {};
};

struct BlockType {
  std::string name;
  FlowKind from = FlowKind::series;
  FlowKind to = FlowKind::series;
  std::string help;
  std::vector<SettingSpec> settings = {};
  /// What `learn = true` learns; empty: nothing can be.
  std::string learns = {};
};

struct LossType {
  std::string name;
  std::string help;
  /// Of which kinds of flow, or else of which types of block.
  std::vector<FlowKind> of_kinds = {};
  std::vector<std::string> of_types = {};
  std::vector<SettingSpec> settings = {};
};

/// All there are, in the order of the documentation.
const std::vector<BlockType>& workflow_block_types();
const std::vector<LossType>& workflow_loss_types();
/// Of every loss: its weight and how that changes.
const std::vector<SettingSpec>& workflow_loss_settings();

struct BlockDescription {
  /// Its type where it has none of its own.
  std::string name;
  std::string type;
  /// An earlier block; empty: the one before, of the first block the input.
  std::string input = {};
  bool learn = false;
  Settings settings = {};
};

struct LossDescription {
  std::string type;
  /// The block; empty: the last that fits.
  std::string of = {};
  Settings settings = {};
};

struct WorkflowDescription {
  std::vector<BlockDescription> blocks;
  std::vector<LossDescription> losses = {};
};

/// What is wrong with a description, and where.
struct WorkflowFault {
  bool in_loss = false;
  std::size_t index = 0;
  /// The key that is at fault; empty: the whole block.
  std::string key;
  std::string message;
};

/// The first fault: unknown types, settings (with those that are known), inputs and names; settings of another type or
/// out of range; kinds of flow that do not meet; what cannot be learned; a loss without a block to look at, or of
/// weight 0. Nothing for a sound description.
std::optional<WorkflowFault> fault_of(const WorkflowDescription& description);

/// Names and inputs filled in: of blocks their type and the block before, of losses the block they look at.
/// @throws UsageError for the first fault
WorkflowDescription completed(const WorkflowDescription& description);

const BlockType& block_type(const std::string& name);

/// The value of a setting, given or by default. @throws UsageError for another type of value
double number_of(const std::vector<SettingSpec>& specs, const Settings& given, const std::string& name);
bool truth_of(const std::vector<SettingSpec>& specs, const Settings& given, const std::string& name);
std::string word_of(const std::vector<SettingSpec>& specs, const Settings& given, const std::string& name);

/// JSON, and back. @throws DataError for what is no description
std::string to_json_text(const WorkflowDescription& description);
WorkflowDescription workflow_from_json(const std::string& text);

}  // namespace noema
