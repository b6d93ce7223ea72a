// connectomics/workflow: a chain or graph of blocks from the series of runs to matrices and scores, fixed or learned.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "noema/connectomics/workflow_blocks.h"
#include "noema/connectomics/workflow_description.h"
#include "noema/io/safetensors.h"

namespace noema {

/// What each block gives, by its name; "input" are the runs themselves.
using WorkflowOutputs = std::map<std::string, Flow>;

/// The blocks of a description. Parameters are those of blocks that learn, named "<block>.…"; what is fixed is a buffer
/// or a setting. All numbers are float64. With nothing learned it is the classical pipeline: `clean`, means of labels,
/// and the matrices of `measure_connectivity`.
class Workflow : public torch::nn::Module {
 public:
  /// @throws UsageError for a description with a fault, or that does not fit the input
  Workflow(const WorkflowDescription& description, const WorkflowInput& input);

  /// Takes from the training runs what starts there: tangent references, centre and scale of readouts.
  void calibrate(const std::vector<RunSeries>& training);

  /// Differentiable in all parameters. The runs may differ in their number of frames.
  /// @throws ShapeError for other numbers of features or confounds; DataError for what the data lack, NumericalError
  ///   for what is not positive definite, both naming the block
  WorkflowOutputs forward(const std::vector<RunSeries>& runs) const;

  const WorkflowDescription& description() const { return description_; }
  const WorkflowInput& input() const { return input_; }
  /// @throws UsageError for a name that is not there
  const WorkflowBlock& block(const std::string& name) const;
  /// The last block that gives this; empty without one.
  std::string last_block(FlowKind kind) const;

  /// Parameters and buffers as tensors, description and input as metadata "workflow".
  SafeTensors save() const;
  /// @throws DataError for content that is no workflow, or does not fit its description
  static std::shared_ptr<Workflow> load(const SafeTensors& content);

 private:
  template <class Visit>
  WorkflowOutputs run(const std::vector<RunSeries>& runs, const Visit& visit) const;

  WorkflowDescription description_;
  WorkflowInput input_;
  std::vector<std::shared_ptr<WorkflowBlock>> blocks_;
};

/// The same description with every block fixed that can be: readouts still learn. Learned combinations of confounds
/// become all confounds, and parcels that begin at random those of the labels (parcels of parcels still learn).
WorkflowDescription with_all_fixed(const WorkflowDescription& description);

}  // namespace noema
