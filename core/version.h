// core/version: what was built.
#pragma once

#include <string>

namespace noema {

struct BuildInfo {
  std::string version;
  /// Short git revision at build time, with "+" when the tree had changes; "unknown" outside a checkout.
  std::string git_revision;
  std::string compiler;
  std::string build_type;
};

const BuildInfo& build_info();

}  // namespace noema
