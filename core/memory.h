// core/memory: what this process took, and what the machine has.
#pragma once

#include <cstdint>

namespace noema {

/// The largest resident memory of this process so far, in MB (of 2^20 bytes). 0 where the system does not say.
double peak_memory_mb();

/// The memory of the machine.
std::int64_t physical_memory_bytes();

}  // namespace noema
