#include "noema/core/memory.h"

#include <unistd.h>

#include <fstream>
#include <string>

namespace noema {

double peak_memory_mb() {
  // Not getrusage: its figure begins with that of the process that started this one.
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    double kilobytes = 0;
    if (word == "VmHWM:" && status >> kilobytes) return kilobytes / 1024;
  }
  return 0;
}

std::int64_t physical_memory_bytes() {
  return static_cast<std::int64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::int64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace noema
