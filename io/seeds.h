// io/seeds: named points of the brain.
#pragma once

#include <Eigen/Core>
#include <filesystem>
#include <string>
#include <vector>

namespace noema {

struct Seeds {
  std::vector<Eigen::Vector3d> ras_mm;
  /// One for each point, all different.
  std::vector<std::string> names;
};

/// A table with the columns x, y and z (RAS millimetres) and, if it has one, name; else the points are named seed-001
/// ….
/// @throws IoError, FormatError; DataError for a table without rows, coordinates that are no numbers, names that are
/// empty or repeated (all with the file)
Seeds read_seeds(const std::filesystem::path& path);

}  // namespace noema
