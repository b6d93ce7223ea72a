// pipelines/run_loop: work on run after run, where one that fails does not stop the others.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "noema/core/error.h"
#include "noema/io/dataset.h"

namespace noema {

/// Calls `work` with the index of each run. A run whose work throws is said by the log, with its name, and `failed` is
/// told; the others go on. @throws Cancelled
void work_on_runs(const std::vector<Run>& runs, const std::string& what, const std::function<void(std::size_t)>& work,
                  const std::function<void(std::size_t, const Error&)>& failed);

}  // namespace noema
