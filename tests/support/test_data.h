// tests/support/test_data: where real data and golden numbers lie. Tests skip where they are absent.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "noema/tests/support/source_folder.h"

namespace noema {

inline std::filesystem::path path_from_environment(const char* variable, const std::string& otherwise) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0' ? std::string(value) : otherwise;
}

/// The folder of real datasets: NOEMA_TEST_DATA, or `shared/data` beside the checkout.
inline std::filesystem::path test_data() {
  return path_from_environment("NOEMA_TEST_DATA", source_folder() + "/../shared/data");
}
inline bool has_test_data(const std::filesystem::path& below = {}) {
  return std::filesystem::exists(test_data() / below);
}

/// Golden numbers of nilearn: NOEMA_TEST_GOLDEN, or `shared/reference/golden/nilearn.json` beside the checkout.
inline std::filesystem::path golden_file() {
  return path_from_environment("NOEMA_TEST_GOLDEN", source_folder() + "/../shared/reference/golden/nilearn.json");
}
inline bool has_golden_file() { return std::filesystem::exists(golden_file()); }

}  // namespace noema
