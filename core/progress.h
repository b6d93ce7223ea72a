// core/progress: how far long work has come, with the time it will still take.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

namespace noema {

struct ProgressState {
  std::string what;
  std::int64_t done = 0;
  std::int64_t total = 0;
  double elapsed_s = 0;
  /// Seconds still to go by the mean rate so far; negative while unknown.
  double remaining_s = -1;
  bool finished = false;
};

/// Receives updates, at most ten a second for each piece of work, plus its last; called from any thread, one at a time.
using ProgressSink = std::function<void(const ProgressState&)>;

/// Replaces the sink and returns the former one. Without a sink progress is dropped.
ProgressSink set_progress_sink(ProgressSink sink);

/// One piece of work of `total` steps. Thread-safe. The destructor reports the end.
class Progress {
 public:
  Progress(std::string what, std::int64_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void advance(std::int64_t steps = 1);

 private:
  void report(bool finished);
  std::string what_;
  std::int64_t total_;
  std::atomic<std::int64_t> done_{0};
  std::chrono::steady_clock::time_point start_;
  std::atomic<std::int64_t> last_report_ms_{-1000};
};

/// Text such as "1 h 02 min", "3 min 05 s", "12 s".
std::string format_duration(double seconds);

}  // namespace noema
