// pipelines/preprocess: the first part of a decoding alone: clean series of every subject, and what became of each.
#pragma once

#include <string>
#include <vector>

#include "noema/pipelines/prepare.h"

namespace noema {

struct PreprocessedSubject {
  SubjectOutcome outcome;
  /// Zero for subjects that failed.
  int runs = 0;
  std::int64_t features = 0;
  std::int64_t volumes = 0;
  std::int64_t censored = 0;
};

/// Runs `noema preprocess`: `prepare_dataset`, and the table preprocessing.tsv. @throws as `prepare_dataset`
std::vector<PreprocessedSubject> preprocess_dataset(const PrepareOptions& options);

/// "computed", "reused" or "failed".
std::string to_string(SubjectOutcome::Kind kind);

}  // namespace noema
