// kernels/cuda/device: the words of CUDA beyond the language's own that kernels are written in. A test gives all of
// them a meaning on the processor (tests/kernels/cuda_on_host.h), so that the same kernels run there.
#pragma once

#include <cstdint>

#define NOEMA_LANES 1

#if defined(__CUDACC__)

#define NOEMA_DEVICE __device__ __forceinline__
/// A kernel for blocks of so many threads at most.
#define NOEMA_KERNEL(threads) __global__ void __launch_bounds__(threads)
/// Of kernels' parameters that are structures: stays where the launch put it.
#define NOEMA_PARAMETER const __grid_constant__

namespace noema::cuda {

/// The memory of this thread's block, aligned to 16 bytes.
template <class Value>
NOEMA_DEVICE Value* block_memory() {
  extern __shared__ __align__(16) unsigned char noema_block_memory[];
  return reinterpret_cast<Value*>(noema_block_memory);
}

/// c ← c + a·b by the 32 threads of a warp: a 16 × 16 and b 16 × 8 of bf16, two in a word, c 16 × 8 of float32. With
/// g = lane / 4 and q = lane % 4 a thread has of a the pairs that begin at (g, 2q), (g + 8, 2q), (g, 2q + 8) and
/// (g + 8, 2q + 8), of b those that begin at (2q, g) and (2q + 8, g), down a column, and of c the values (g, 2q),
/// (g, 2q + 1), (g + 8, 2q) and (g + 8, 2q + 1).
/// Source: PTX ISA, "Matrix fragments for mma.m16n8k16".
NOEMA_DEVICE void multiply_tiles(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

NOEMA_DEVICE std::uint32_t bits_of(float x) { return __float_as_uint(x); }
NOEMA_DEVICE float float_of(std::uint32_t bits) { return __uint_as_float(bits); }

}  // namespace noema::cuda

#endif
