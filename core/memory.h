// core/memory: what this process took, what the machine has, and how it should be given.
#pragma once

#include <cstddef>
#include <cstdint>

namespace noema {

/// The largest resident memory of this process so far, in MB (of 2^20 bytes). 0 where the system does not say.
double peak_memory_mb();

/// The memory of the machine.
std::int64_t physical_memory_bytes();

/// Asks for large pages for memory that was allocated and is not written yet: with 4 KiB pages the first write to an
/// array of 50 MB costs as much as cleaning it. Does nothing for arrays without a whole large page, or where the system
/// has no such hint.
void advise_large_pages(void* data, std::size_t bytes);

}  // namespace noema
