// pipelines/explain: maps of what cross-validated models use, their faithfulness, and their agreement with GLM maps.
#pragma once

#include <string>
#include <vector>

#include "noema/interpret/attribution.h"
#include "noema/pipelines/evaluation.h"
#include "noema/pipelines/glm_maps.h"
#include "noema/pipelines/options.h"
#include "noema/pipelines/results.h"

namespace noema {

/// One map for each label, by feature of the series.
struct ModelMaps {
  std::string model;
  /// The attribution method, or "pattern" for linear models (Haufe et al. 2014).
  std::string method;
  /// Multiplied by the input; see `AttributionFacts`.
  bool is_relevance = false;
  MatrixD values;  // (K, F)
  std::string name() const { return model + " " + method; }
};

struct Explanation {
  std::vector<ModelMaps> maps;
  std::vector<FaithfulnessRow> faithfulness;
};

/// A model and the samples that it is explained on. The label of a sample is the target of its explanation.
struct ExplainedSamples {
  const Classifier& model;
  SampleSet samples;
};

/// Explains models of one name, each on its samples: the margin of the target; maps are means over the samples of a
/// subject, then over subjects. Deletion curves are of about 500 samples spread over all. Linear models also give their
/// patterns, the mean over models. Models that cannot be differentiated give nothing.
/// @throws UsageError for an unknown method; Cancelled
Explanation explain_samples(const std::string& name, const std::vector<ExplainedSamples>& parts,
                            const ExplainOptions& options, std::uint64_t seed);

/// Explains each fold's model on that fold's test samples: the margin of the true label.
/// @throws as `explain_samples`
Explanation explain_model(const LearningProblem& problem, const ModelEvaluation& evaluation,
                          const ExplainOptions& options, std::uint64_t seed);

/// Each model's map against the GLM contrast of its label, voxel by voxel: as it is and (but for grayordinates)
/// smoothed; relevance maps by absolute and positive part, the others signed.
std::vector<MapAgreement> agreement_with_glm(const std::vector<ModelMaps>& maps, const GlmMaps& glm,
                                             const LabelTable& labels, const FeatureSpace& features, double fwhm_mm);

/// A copy of a one-volume image, smoothed with a Gaussian; what spreads out of the mask is cut off.
Image smoothed_map(const Image& map, const Mask& mask, double fwhm_mm);

/// The values of an image at the voxels of a mask.
std::vector<double> values_in_mask(const Image& image, const Mask& mask);

}  // namespace noema
