#include "noema/pipelines/run_loop.h"

#include <fmt/format.h>

#include "noema/core/cancel.h"
#include "noema/core/log.h"
#include "noema/core/progress.h"

namespace noema {

void work_on_runs(const std::vector<Run>& runs, const std::string& what, const std::function<void(std::size_t)>& work,
                  const std::function<void(std::size_t, const Error&)>& failed) {
  Progress progress(what, std::ssize(runs));
  for (std::size_t r = 0; r < runs.size(); ++r) {
    check_cancelled();
    try {
      with_context(fmt::format("run '{}'", runs[r].id()), [&] { work(r); });
    } catch (const Cancelled&) {
      throw;
    } catch (const Error& error) {
      log(LogLevel::error, error.what());
      failed(r, error);
    }
    progress.advance();
  }
}

}  // namespace noema
