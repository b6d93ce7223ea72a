// pipelines/workflow_output: what a trained workflow makes of runs, as matrices between named regions.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "noema/connectomics/workflow.h"
#include "noema/io/gifti.h"
#include "noema/pipelines/connectome_output.h"

namespace noema {

/// (R, F): the weight of each of the input's features in each region that a block works on, over all parcellations
/// before it and its own; undefined without one. Without gradient.
at::Tensor region_weights(const Workflow& workflow, const std::string& block);

/// The region of largest weight of each feature, −1 without any, and that weight.
struct LargestRegions {
  std::vector<std::int32_t> region;
  std::vector<float> weight;
};
LargestRegions largest_regions(const at::Tensor& weights);

/// The regions that a block works on: those of the last parcellation on its way from the input (each voxel in the one
/// of its largest weight), with the names of the labels it started from, else the input's features themselves.
FeatureSpace regions_of(const Workflow& workflow, const std::string& block, const FeatureSpace& input);

/// The matrices of all runs by each block that ends a branch of matrices; one output for each set of regions, that of
/// the last such block first. The group's are means that give each subject the same weight, of tangent matrices their
/// reference. Empty for a workflow without matrices.
/// @throws as `Workflow::forward`
std::vector<ConnectomeOutput> matrices_of_workflow(const Workflow& workflow, const std::vector<RunSeries>& series,
                                                   const PreparedData& data, const std::vector<SurfaceMesh>& meshes);

}  // namespace noema
