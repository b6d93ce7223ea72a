#include "noema/core/log.h"

#include <algorithm>
#include <mutex>
#include <utility>

namespace noema {
namespace {

struct LogState {
  std::mutex mutex;
  LogSink sink;
  std::vector<WarningCollector*> collectors;
};

LogState& state() {
  static LogState instance;
  return instance;
}

}  // namespace

LogSink set_log_sink(LogSink sink) {
  std::lock_guard lock(state().mutex);
  return std::exchange(state().sink, std::move(sink));
}

void log(LogLevel level, std::string_view message) {
  std::lock_guard lock(state().mutex);
  if (level == LogLevel::warning) {
    for (WarningCollector* collector : state().collectors) collector->add(message);
  }
  if (state().sink) state().sink(level, message);
}

WarningCollector::WarningCollector() {
  std::lock_guard lock(state().mutex);
  state().collectors.push_back(this);
}

WarningCollector::~WarningCollector() {
  std::lock_guard lock(state().mutex);
  std::erase(state().collectors, this);
}

std::vector<WarningCollector::Entry> WarningCollector::entries() const {
  std::lock_guard lock(state().mutex);
  return entries_;
}

void WarningCollector::add(std::string_view message) {
  auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.message == message; });
  if (found == entries_.end()) {
    entries_.push_back({std::string(message), 1});
  } else {
    ++found->count;
  }
}

}  // namespace noema
