#include "noema/core/settings.h"

#include <sched.h>

#include <regex>
#include <thread>
#include <utility>
#include <vector>

#include "noema/core/error.h"

namespace noema {
namespace {

int allowed_processors() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return CPU_COUNT(&set);
  return static_cast<int>(std::thread::hardware_concurrency());
}

struct Settings {
  int threads = std::max(1, allowed_processors());
  std::string device = "cpu";
  std::vector<std::function<void(int)>> listeners;
};

Settings& settings() {
  static Settings instance;
  return instance;
}

}  // namespace

int thread_count() { return settings().threads; }

void set_thread_count(int threads) {
  if (threads < 1) throw UsageError("the number of threads is " + std::to_string(threads) + ", expected at least 1");
  settings().threads = threads;
  for (const auto& listener : settings().listeners) listener(threads);
}

void on_thread_count(std::function<void(int)> listener) {
  listener(settings().threads);
  settings().listeners.push_back(std::move(listener));
}

const std::string& device() { return settings().device; }

void set_device(const std::string& name) {
  static const std::regex pattern("auto|cpu|cuda(:[0-9]+)?");
  if (!std::regex_match(name, pattern)) {
    throw UsageError("device '" + name + "' is not known, expected auto, cpu, cuda or cuda:N");
  }
  settings().device = name;
}

}  // namespace noema
