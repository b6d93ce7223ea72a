#include "noema/cli/terminal.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "noema/core/cancel.h"
#include "noema/core/log.h"
#include "noema/core/progress.h"

namespace noema {
namespace {

/// Both sinks share it: a message must not land in the middle of a progress line.
struct Screen {
  std::mutex mutex;
  bool is_terminal = false;
  bool line_open = false;
  struct Last {
    std::int64_t tenths = 0;
    std::chrono::steady_clock::time_point at;
  };
  std::map<std::string, Last> last;  // progress that was written as a plain line
  std::set<std::string, std::less<>> warned;

  void close_line() {
    if (line_open) std::fputs("\r\033[K", stderr);
    line_open = false;
  }
};

Screen& screen() {
  static Screen instance;
  return instance;
}

std::string progress_text(const ProgressState& state) {
  std::string text = fmt::format("{} {}/{}", state.what, state.done, state.total);
  if (state.finished) return text + " in " + format_duration(state.elapsed_s);
  if (state.remaining_s >= 0) text += ", " + format_duration(state.remaining_s) + " left";
  return text;
}

void show_on_terminal(const ProgressState& state) {
  screen().close_line();
  std::fputs(progress_text(state).c_str(), stderr);
  screen().line_open = !state.finished;
  if (state.finished) std::fputc('\n', stderr);
  std::fflush(stderr);
}

void show_as_line(const ProgressState& state) {
  using namespace std::chrono_literals;
  const auto now = std::chrono::steady_clock::now();
  const std::int64_t tenths = state.total > 0 ? 10 * state.done / state.total : 0;
  auto [entry, fresh] = screen().last.try_emplace(state.what, Screen::Last{0, now});
  if (state.finished) {
    screen().last.erase(entry);
  } else {
    if (tenths <= entry->second.tenths || now - entry->second.at < 10s) return;
    entry->second = {tenths, now};
  }
  fmt::print(stderr, "{}\n", progress_text(state));
}

void show_message(LogLevel level, std::string_view message, bool verbose) {
  if (level == LogLevel::debug && !verbose) return;
  const std::lock_guard lock(screen().mutex);
  // A warning that many runs or folds give is shown once; results.json and the report count it.
  if (level == LogLevel::warning && !screen().warned.emplace(message).second) return;
  screen().close_line();
  const char* prefix = level == LogLevel::warning ? "warning: " : level == LogLevel::error ? "error: " : "";
  fmt::print(stderr, "{}{}\n", prefix, message);
}

extern "C" void on_interrupt(int signal) {
  if (cancel_requested()) _exit(128 + signal);
  request_cancel();
}

}  // namespace

void use_terminal(const TerminalOptions& options) {
  screen().is_terminal = isatty(STDERR_FILENO) == 1;
  if (options.quiet) {
    set_log_sink([](LogLevel level, std::string_view message) {
      if (level == LogLevel::error) show_message(level, message, false);
    });
    set_progress_sink({});
    return;
  }
  set_log_sink(
      [verbose = options.verbose](LogLevel level, std::string_view message) { show_message(level, message, verbose); });
  set_progress_sink([](const ProgressState& state) {
    const std::lock_guard lock(screen().mutex);
    screen().is_terminal ? show_on_terminal(state) : show_as_line(state);
  });
}

void handle_interrupts() {
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe becomes a write error
  std::signal(SIGXFSZ, SIG_IGN);  // and so does a file beyond the limit
}

}  // namespace noema
