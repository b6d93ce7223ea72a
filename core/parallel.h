// core/parallel: loops over the library's own threads. Not OpenMP: LibTorch brings its own copy of that.
#pragma once

#include <cstdint>
#include <functional>

namespace noema {

/// Splits [0, count) into pieces of at least `grain` and runs `body(begin, end)` on up to `thread_count()` threads.
///
/// Which piece runs where is not determined, so `body` must write only to places that its range owns; then results
/// do not depend on the thread count. The first exception of a body is rethrown here, after all pieces have ended.
/// Called from inside a body it runs in place (no nesting).
void parallel_for(std::int64_t count, std::int64_t grain, const std::function<void(std::int64_t, std::int64_t)>& body);

/// Runs `task(i)` for i in [0, count), each index as its own piece of work handed to the next free thread: for few,
/// long, uneven tasks such as folds.
void parallel_tasks(std::int64_t count, const std::function<void(std::int64_t)>& task);

}  // namespace noema
