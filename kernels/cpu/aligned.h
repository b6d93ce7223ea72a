// kernels/cpu/aligned: memory on the boundary of a cache line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace noema::cpu {

struct AlignedDelete {
  void operator()(float* x) const { ::operator delete (x, std::align_val_t{64}); }
};
/// Not initialised.
using AlignedFloats = std::unique_ptr<float[], AlignedDelete>;

inline AlignedFloats aligned_floats(std::int64_t count) {
  return AlignedFloats(
      static_cast<float*>(::operator new (static_cast<std::size_t>(count) * sizeof(float), std::align_val_t{64})));
}

}  // namespace noema::cpu
