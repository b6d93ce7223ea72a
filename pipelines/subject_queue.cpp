#include "noema/pipelines/subject_queue.h"

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "noema/core/cancel.h"
#include "noema/core/parallel.h"
#include "noema/core/progress.h"

namespace noema {

void work_on_subjects(std::size_t count, int processes, const std::string& title,
                      const std::function<void(std::size_t)>& work) {
  Progress progress(title, static_cast<std::int64_t>(count));
  const auto finish = [&](std::size_t i) {
    check_cancelled();
    work(i);
    progress.advance();
  };
  const auto workers = std::min<std::int64_t>(processes, static_cast<std::int64_t>(count));
  if (workers <= 1) {
    for (std::size_t i = 0; i < count; ++i) finish(i);  // each subject uses all threads
    return;
  }
  std::atomic<std::size_t> next{0};
  parallel_tasks(workers, [&](std::int64_t) {
    for (std::size_t i = next++; i < count; i = next++) finish(i);
  });
}

}  // namespace noema
