// core/cancel: Ctrl-C and SIGTERM as an exception at the next safe point.
#pragma once

namespace noema {

/// Asks running work to stop; safe to call from a signal handler.
void request_cancel() noexcept;
bool cancel_requested() noexcept;
/// Forgets an earlier request.
void reset_cancel() noexcept;
/// Throws `Cancelled` when a stop was asked for. Long loops call it at each step that may be left safely.
void check_cancelled();

}  // namespace noema
