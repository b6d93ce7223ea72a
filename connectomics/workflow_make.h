// connectomics/workflow_make: how the two families of workflow blocks are made.
#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>

#include "noema/connectomics/workflow_blocks.h"

namespace noema {

/// The settings of a block, given or by default.
class SettingsOf {
 public:
  explicit SettingsOf(const BlockDescription& block)
      : specs_(block_type(block.type).settings), given_(block.settings) {}

  double number(const std::string& name) const { return number_of(specs_, given_, name); }
  bool truth(const std::string& name) const { return truth_of(specs_, given_, name); }
  std::string word(const std::string& name) const { return word_of(specs_, given_, name); }
  /// @throws UsageError unless it is a whole number from 0 on
  std::int64_t whole(const std::string& name) const;

 private:
  const std::vector<SettingSpec>& specs_;
  const Settings& given_;
};

/// Null for types of the other family. @throws as `make_workflow_block`
std::shared_ptr<WorkflowBlock> make_series_block(const BlockDescription& block, const FlowShape& in,
                                                 const WorkflowInput& input);
std::shared_ptr<WorkflowBlock> make_matrix_block(const BlockDescription& block, const FlowShape& in,
                                                 const WorkflowInput& input, bool needs_full_rank);

}  // namespace noema
