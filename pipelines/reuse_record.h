// pipelines/reuse_record: what a kept result depends on, so that a later call knows whether it may take it.
#pragma once

#include <string>
#include <vector>

#include "noema/core/provenance.h"
#include "noema/io/series.h"

namespace noema {

struct ReuseFacts {
  /// Everything but features, runs and input files that decides the result.
  std::string configuration;
  const FeatureSpace* features = nullptr;
  /// JSON: what sidecars and tables say of the runs, as far as the result depends on it.
  std::string runs = "[]";
  /// Files, with size, time and hash.
  std::vector<InputRecord> inputs;
};

/// The facts and the version of the program, as JSON.
std::string reuse_record(const ReuseFacts& facts);

/// Why a result kept with one record is no answer to another, such as "the input files changed"; empty if it is.
std::string reason_against(const std::string& kept, const std::string& wanted);

}  // namespace noema
