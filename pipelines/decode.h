// pipelines/decode: the whole path: from a BIDS dataset to evaluated, explained decoders and one report.
#pragma once

#include "noema/pipelines/options.h"
#include "noema/pipelines/results.h"

namespace noema {

/// Runs `noema decode`: preprocesses, evaluates every model on one split, saves the models fitted on all samples, makes
/// attribution and GLM maps, compares them, and writes tables, results.json and report.html to the output folder.
///
/// Subjects that fail are left out; `Results::failed_subjects` names them. With level `participant` only the subjects
/// are preprocessed; with `dry_run` nothing is written and the plan is said.
/// @throws what the stages throw: UsageError and DataError before any training where the data cannot answer; Cancelled
Results decode(const DecodeOptions& options);

}  // namespace noema
