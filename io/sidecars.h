// io/sidecars: what the JSON files around a run say of it.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "noema/io/bids_tree.h"

namespace noema {

/// Reads sidecars, each file once. Not thread-safe.
class Sidecars {
 public:
  /// The fields of all `…_bold.json` that hold for a run (inheritance principle: the more special file wins).
  /// @throws IoError, FormatError
  nlohmann::json bold_fields(BidsTree& tree, const Entities& entities);

 private:
  const nlohmann::json& fields_of(const std::filesystem::path& path);
  std::map<std::filesystem::path, std::shared_ptr<const nlohmann::json>> files_;
};

struct RunTiming {
  double tr_s = 0;
  std::optional<double> slice_time_s;
};

/// `RepetitionTime` (0 where absent) and `StartTime`; `run` is for messages.
/// @throws DataError for values that cannot be, or for `VolumeTiming` (volumes at irregular times) without TR.
RunTiming timing_of(const nlohmann::json& fields, const std::filesystem::path& run);

}  // namespace noema
