// glm/single_trial: an estimate of each trial of a run on its own, as samples for decoding or similarity analysis.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "noema/glm/design.h"

namespace noema {

enum class TrialModel {
  /// Least squares, all: one model with a column for each trial.
  lsa,
  /// Least squares, separate: one model for each trial, with its column and one of all other trials together. Better
  /// where trials follow one another so fast that their columns are alike (Mumford et al. 2012,
  /// doi:10.1016/j.neuroimage.2011.08.076).
  lss,
  /// The same with a column for the other trials of each condition (Turner et al. 2012,
  /// doi:10.1016/j.neuroimage.2012.05.057): less noise where conditions differ, but every estimate is made by the
  /// labels. Never for samples whose labels are decoded or permuted.
  lss_by_condition,
};

/// "lsa", "lss" or "lss-by-condition". @throws UsageError for another name.
TrialModel parse_trial_model(std::string_view name);
std::string_view trial_model_name(TrialModel model);

/// How the estimate of each trial is made of the volumes of a run: it is weights·data, for any data of that run.
struct TrialWeights {
  std::vector<Event> trials;  // K, by onset; those that the run cannot tell are left out
  MatrixD weights;            // (K, T), 0 at dropped volumes
  /// (K, T): the responses that the design expects, before drifts and regressors are taken away.
  MatrixD responses;
};

/// Weights by ordinary least squares of `make_design`'s columns: drifts, regressors and the constant are in every
/// model. Events with a label of `conditions` (empty: all) are trials; those of other labels are modelled by condition.
///
/// Estimates of one run share its volumes, whatever the model: a classifier must never train on trials of the run it is
/// tested on. Labels of trials enter `lss_by_condition` alone: the other models give the same weights however they are
/// permuted, as permutation tests of a decoder need. Trials whose response the kept volumes hardly show (a tenth of the
/// middle trial's), or that others take the place of, are left out with a warning. Cost: O(T·K²) for lsa, O(T·K·(C +
/// R)) for the others with C conditions and R other columns.
/// @throws UsageError for responses of several columns (derivatives, several delays); DataError if no trial is left or
/// no
///   degree of freedom is; and what `make_design` throws.
TrialWeights trial_weights(const std::vector<Event>& events, const std::vector<std::string>& conditions,
                           const Eigen::VectorXd& frame_times_s, TrialModel model, const DesignOptions& options = {},
                           std::span<const std::uint8_t> keep = {});

/// (K, F): the trials' estimates of every column of data (T, F). @throws ShapeError for data of other length.
MatrixF trial_maps(const TrialWeights& weights, const MatrixF& data);

}  // namespace noema
