#include "noema/core/progress.h"

#include <fmt/format.h>

#include <cmath>
#include <mutex>
#include <utility>

namespace noema {
namespace {

constexpr std::int64_t kReportEveryMs = 100;

std::mutex& sink_mutex() {
  static std::mutex mutex;
  return mutex;
}

ProgressSink& sink() {
  static ProgressSink instance;
  return instance;
}

}  // namespace

ProgressSink set_progress_sink(ProgressSink replacement) {
  std::lock_guard lock(sink_mutex());
  return std::exchange(sink(), std::move(replacement));
}

Progress::Progress(std::string what, std::int64_t total)
    : what_(std::move(what)), total_(total), start_(std::chrono::steady_clock::now()) {}

Progress::~Progress() { report(true); }

void Progress::advance(std::int64_t steps) {
  done_ += steps;
  const auto now_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start_).count();
  std::int64_t last = last_report_ms_.load();
  if (now_ms - last < kReportEveryMs) return;
  if (last_report_ms_.compare_exchange_strong(last, now_ms)) report(false);
}

void Progress::report(bool finished) {
  std::lock_guard lock(sink_mutex());
  if (!sink()) return;
  ProgressState state;
  state.what = what_;
  state.done = done_;
  state.total = total_;
  state.elapsed_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  if (state.done > 0 && total_ > 0) {
    state.remaining_s = state.elapsed_s * static_cast<double>(total_ - state.done) / static_cast<double>(state.done);
  }
  state.finished = finished;
  sink()(state);
}

std::string format_duration(double seconds) {
  const auto total = static_cast<std::int64_t>(std::llround(seconds));
  if (total >= 3600) return fmt::format("{} h {:02} min", total / 3600, total % 3600 / 60);
  if (total >= 60) return fmt::format("{} min {:02} s", total / 60, total % 60);
  return fmt::format("{} s", total);
}

}  // namespace noema
