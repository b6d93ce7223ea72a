// pipelines/subject_queue: the same work for each subject, one after the other or several at once.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

namespace noema {

/// Runs `work(i)` for i in [0, count), `processes` at a time, and reports progress. One at a time, each may use all
/// threads. The first exception is thrown, after those at work have ended. @throws Cancelled
void work_on_subjects(std::size_t count, int processes, const std::string& title,
                      const std::function<void(std::size_t)>& work);

}  // namespace noema
