// core/log: where messages go. A room says them here; whoever owns the process (cli/) decides where they appear.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace noema {

enum class LogLevel { debug, info, warning, error };

/// Receives every message; called from any thread, one call at a time.
using LogSink = std::function<void(LogLevel, std::string_view)>;

/// Replaces the sink and returns the former one. Without a sink (the default) messages are dropped.
LogSink set_log_sink(LogSink sink);

void log(LogLevel level, std::string_view message);
inline void log_debug(std::string_view message) { log(LogLevel::debug, message); }
inline void log_info(std::string_view message) { log(LogLevel::info, message); }
/// A warning names the file or subject, what was found, and what was done about it.
inline void log_warning(std::string_view message) { log(LogLevel::warning, message); }

/// Collects the warnings said while it lives (the sink still gets them), for a report or a result file.
/// Equal texts are kept once with their count. Collectors nest; each sees the warnings of all threads.
class WarningCollector {
 public:
  WarningCollector();
  ~WarningCollector();
  WarningCollector(const WarningCollector&) = delete;
  WarningCollector& operator=(const WarningCollector&) = delete;

  struct Entry {
    std::string message;
    int count = 0;
  };
  /// In the order of their first appearance.
  std::vector<Entry> entries() const;

 private:
  friend void log(LogLevel level, std::string_view message);
  void add(std::string_view message);
  std::vector<Entry> entries_;
};

}  // namespace noema
