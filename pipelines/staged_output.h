// pipelines/staged_output: results that take their places in an output folder together, once all of them are written.
#pragma once

#include <filesystem>

#include "noema/io/atomic_file.h"
#include "noema/pipelines/results.h"

namespace noema {

/// Files are written to a hidden folder within the output folder, and moved when all are there; without `commit` the
/// output folder stays as it was.
class StagedOutput {
 public:
  /// @throws IoError
  explicit StagedOutput(std::filesystem::path output);

  /// Write here.
  const std::filesystem::path& folder() const { return stage_.temporary(); }
  /// Where they go.
  const std::filesystem::path& output() const { return output_; }

  /// Moves the files, and removes those that an earlier call of the same command says it wrote and this one has not
  /// (`results.files`); series and mean images of subjects stay. @throws IoError
  void commit(const Results& results);

 private:
  std::filesystem::path output_;
  AtomicFolder stage_;
};

}  // namespace noema
