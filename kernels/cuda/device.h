// kernels/cuda/device: the words of CUDA beyond the language's own that kernels are written in. A test gives all of
// them a meaning on the processor (tests/kernels/cuda_on_host.h), so that the same kernels run there.
#pragma once

#include <cstdint>
#include <cstring>

#define NOEMA_LANES 1

#if defined(__CUDACC__)

#define NOEMA_DEVICE __device__ __forceinline__
/// A kernel for blocks of so many threads at most.
#define NOEMA_KERNEL(threads) __global__ void __launch_bounds__(threads)
/// The same, with registers for so many blocks beside each other.
#define NOEMA_KERNEL_BESIDE(threads, blocks) __global__ void __launch_bounds__(threads, blocks)
/// A kernel whose threads have so many registers at most.
#define NOEMA_KERNEL_OF_REGISTERS(registers) __global__ void __maxnreg__(registers)
/// Before a loop whose every turn is a code of its own, so that what it indexes can stay in registers.
#define NOEMA_UNROLL _Pragma("unroll")
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

/// What no thread of the kernel writes: a value of 4, 8 or 16 bytes, read at once and, where registers allow, early.
template <class Value>
NOEMA_DEVICE Value read_only(const Value* there) {
  static_assert(sizeof(Value) == 4 || sizeof(Value) == 8 || sizeof(Value) == 16);
  Value value;
  if constexpr (sizeof(Value) == 4) {
    const unsigned bits = __ldg(reinterpret_cast<const unsigned*>(there));
    memcpy(&value, &bits, 4);
  } else if constexpr (sizeof(Value) == 8) {
    const uint2 bits = __ldg(reinterpret_cast<const uint2*>(there));
    memcpy(&value, &bits, 8);
  } else {
    const uint4 bits = __ldg(reinterpret_cast<const uint4*>(there));
    memcpy(&value, &bits, 16);
  }
  return value;
}

/// The pointer into the device's memory, reckoned here once: the compiler would reckon it from its parts again wherever
/// it is used.
template <class Value>
NOEMA_DEVICE Value* settled(Value* pointer) {
  Value* same;
  asm("mov.u64 %0, %1;" : "=l"(same) : "l"(pointer));
  __builtin_assume(__isGlobal(same));
  return same;
}

/// The number of the neighbour, lane 2i of 2i + 1 and the other way; all threads of a warp ask for it together.
NOEMA_DEVICE float exchanged(float x) { return __shfl_xor_sync(0xFFFFFFFFU, x, 1); }

/// Two numbers as the nearest bf16, the first in the low half.
NOEMA_DEVICE std::uint32_t nearest_bf16(float first, float second) {
  std::uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(second), "f"(first));
  return pair;
}

/// A word from the device's memory to the block's; it is there after finish_copies() and a barrier.
NOEMA_DEVICE void copy_word(std::uint32_t* to, const std::uint32_t* from) {
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(to));
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(address), "l"(from) : "memory");
}
NOEMA_DEVICE void finish_copies() { asm volatile("cp.async.wait_all;" ::: "memory"); }

NOEMA_DEVICE std::uint32_t bits_of(float x) { return __float_as_uint(x); }
NOEMA_DEVICE float float_of(std::uint32_t bits) { return __uint_as_float(bits); }

}  // namespace noema::cuda

#endif
