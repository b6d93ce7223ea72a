// pipelines/label_contrasts: the GLM that goes with a decoding problem: each label against the mean of the others.
#pragma once

#include <string>
#include <vector>

#include "noema/learn/problem.h"
#include "noema/pipelines/glm_maps.h"
#include "noema/pipelines/prepare.h"

namespace noema {

/// Contrasts are named by their labels.
///
/// Where the response follows the events by another time than a haemodynamic model expects (the delay found or declared
/// differs from 5 s by more than 2 s: events that already carry the delay), the events are moved by the difference, and
/// a sentence in `notes` says so.
GlmJob label_glm(const PreparedData& data, const LearningProblem& problem, std::vector<std::string>& notes);

}  // namespace noema
