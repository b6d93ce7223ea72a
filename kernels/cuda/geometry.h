// kernels/cuda/geometry: what the launch of a kernel asks for.
#pragma once

#include <cstddef>
#include <cstdint>

namespace noema::cuda {

struct Geometry {
  std::int64_t blocks;
  int threads;
  std::size_t memory_bytes;
};

}  // namespace noema::cuda
