// pipelines/decode_page: puts what a decoding run found into the report's form.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "noema/learn/problem.h"
#include "noema/pipelines/evaluation.h"
#include "noema/pipelines/explain.h"
#include "noema/pipelines/prepare.h"
#include "noema/pipelines/results.h"
#include "noema/report/decode_report.h"

namespace noema {

/// Everything a decoding run found, by reference.
struct DecodeFindings {
  const PreparedData& data;
  const LearningProblem& problem;
  const std::vector<ModelEvaluation>& models;
  const std::vector<ModelMaps>& maps;
  const GlmMaps* glm = nullptr;
  const Results& results;
  const Provenance& provenance;
  const std::vector<WarningCollector::Entry>& warnings;
  /// Pictures of the models' voxel maps are smoothed by this: single voxels are hard to see.
  double picture_fwhm_mm = 0;
};

DecodeReport decode_page(const DecodeFindings& findings);

}  // namespace noema
