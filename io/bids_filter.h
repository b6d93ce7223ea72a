// io/bids_filter: filter files, which say by their entities which files to take.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "noema/io/dataset.h"

namespace noema {

/// The conditions of a filter file's "bold" object.
class BidsFilter {
 public:
  /// No conditions.
  BidsFilter() = default;
  /// Reads {"bold": {entity: label, [labels], "*" (any) or null (absent)}}; entities by their short (`ses`) or long
  /// (`session`) names. Other objects (fMRIPrep's "t1w" …) are passed over.
  /// @throws IoError; FormatError for broken JSON, no "bold", or unknown entities.
  explicit BidsFilter(const std::filesystem::path& path);

  bool mentions(const std::string& entity) const { return conditions_.contains(entity); }
  bool accepts(const Entities& entities) const;

 private:
  struct Condition {
    bool any = false;     ///< every label will do, but there must be one
    bool absent = false;  ///< the entity may be missing
    std::vector<std::string> labels;
  };
  static Condition condition_of(const std::filesystem::path& path, const std::string& key, const nlohmann::json& value);
  std::map<std::string, Condition> conditions_;
};

}  // namespace noema
