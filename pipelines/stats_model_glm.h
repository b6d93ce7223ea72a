// pipelines/stats_model_glm: what a BIDS Stats Model asks of `run_glm`.
#pragma once

#include "noema/io/stats_model.h"
#include "noema/pipelines/glm.h"

namespace noema {

/// Sets subjects, task, conditions, response, drifts, confounds, contrasts and the group's model as the file has them.
///
/// Conditions are named without their factor ("trial_type.face" is 'face'). Without a high-pass cut-off the design has
/// no drifts: the file's confounds model them. Contrasts of a subject's node are made of the run's contrasts by name.
/// @throws UsageError naming the part of the model that cannot be done.
void apply_stats_model(const StatsModel& model, GlmOptions& options);

}  // namespace noema
