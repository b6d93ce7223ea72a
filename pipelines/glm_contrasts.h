// pipelines/glm_contrasts: the contrasts that `noema glm` asks, and what is refused of them before any image is read.
#pragma once

#include <string>
#include <vector>

#include "noema/pipelines/glm.h"

namespace noema {

/// Those of the options, then those of conditions by themselves; without either each condition against the mean of the
/// others and the sum of all, or with several columns a condition each condition by itself (F).
/// @param conditions  of the events, sorted.
/// @throws UsageError for contrasts whose names would give the same
///   file; F contrasts of the group where the subjects have F contrasts too; and, where confounds cannot be meant,
///   formulas that name no column
std::vector<ContrastRequest> glm_contrasts(const GlmOptions& options, const std::vector<std::string>& conditions);

/// Whether a condition is one of those, or fits one of the patterns.
bool fits_any(const std::string& condition, const std::vector<std::string>& patterns);

/// @param conditions  of all events. @throws UsageError for a condition that the options name and no event has
void check_conditions(const GlmOptions& options, const std::vector<std::string>& conditions);

/// Names become file names, so two that differ in signs alone would overwrite one another. @throws UsageError
void check_contrast_names(const std::vector<ContrastRequest>& contrasts);

}  // namespace noema
