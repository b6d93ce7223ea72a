// A made-up BIDS dataset: folders and names as fMRIPrep and BIDS have them, images empty.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "temporary_folder.h"

namespace noema {

/// Writes a file, and the folders that it needs.
void put(const std::filesystem::path& path, std::string_view text = "");

struct FakeDataset {
  std::vector<std::string> subjects{"01", "02"};
  std::vector<std::string> sessions{"01", "02"};  // empty: no session level
  std::vector<std::string> tasks{"main"};
  int runs = 2;
  std::vector<std::string> spaces{"MNI", "T1w"};
  std::string confounds = "desc-confounds_timeseries";

  /// "sub-01/ses-01/func/sub-01_ses-01_task-main_run-01" for each run.
  std::vector<std::string> stems() const;
  void write_raw(const std::filesystem::path& root) const;
  void write_derivatives(const std::filesystem::path& root) const;
};

}  // namespace noema
