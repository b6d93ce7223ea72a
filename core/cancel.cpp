#include "noema/core/cancel.h"

#include <atomic>

#include "noema/core/error.h"

namespace noema {
namespace {
std::atomic<bool> requested{false};
static_assert(std::atomic<bool>::is_always_lock_free);
}  // namespace

void request_cancel() noexcept { requested = true; }
bool cancel_requested() noexcept { return requested; }
void reset_cancel() noexcept { requested = false; }

void check_cancelled() {
  if (requested) throw Cancelled("interrupted; what was finished before is kept, run the same command again to go on");
}

}  // namespace noema
