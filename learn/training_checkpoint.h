// learn/training_checkpoint: the state of a training loop between two steps, as a file.
#pragma once

#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "noema/learn/training.h"

namespace noema {

/// Where a training loop stands. All that follows is a function of this, the task and the options.
struct TrainingState {
  int epoch = 0;
  /// Steps done in this epoch.
  std::int64_t step = 0;
  /// Over the samples of this epoch so far.
  double loss_sum = 0;
  std::vector<EpochRecord> history;
  double best_loss = std::numeric_limits<double>::infinity();
  int best_epoch = -1;
  /// Parameters of the best epoch; empty before there is one.
  std::vector<at::Tensor> best;
};

/// Writes the state, the parameters and their moments, all or nothing. @throws IoError
void write_checkpoint(const std::filesystem::path& path, const TrainingState& state, AdamW& optimizer,
                      const std::string& fingerprint);

/// Sets the state, the parameters and their moments.
/// @throws IoError, FormatError; UsageError for a checkpoint of another fingerprint; DataError if parameters are
/// missing
///          or of another shape.
void read_checkpoint(const std::filesystem::path& path, TrainingState& state, AdamW& optimizer,
                     const std::string& fingerprint);

}  // namespace noema
