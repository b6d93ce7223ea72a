// tests/kernels/cuda_on_host: kernels of CUDA run on the processor, so that their indices, roots, ends and products of
// tiles are tested where there is no GPU. A block's threads are contexts that take turns; between two barriers they run
// in an order that is drawn anew, so a barrier that is missing shows. A block's memory begins as NaN. What this cannot
// show: races within a warp's step, speed, and whether the compiler and the GPU do what their documents say.
#pragma once

#include <gtest/gtest.h>
#include <ucontext.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#define NOEMA_DEVICE inline
#define NOEMA_KERNEL(threads) void
#define NOEMA_KERNEL_BESIDE(threads, blocks) void
#define NOEMA_KERNEL_OF_REGISTERS(registers) void
#define NOEMA_UNROLL
#define NOEMA_PARAMETER const

namespace noema::cuda {
namespace {

struct Index {
  unsigned x = 0;
};
Index threadIdx, blockIdx, blockDim;

/// The block that runs.
class HostBlock {
 public:
  static constexpr int kWarp = 32;

  HostBlock(int threads, std::size_t memory_bytes, unsigned seed)
      : memory_(memory_bytes / sizeof(float), NAN), threads_(static_cast<std::size_t>(threads)), order_(seed) {
    for (Thread& t : threads_) t.stack.reset(new char[kStackBytes]);
  }

  void run(const std::function<void()>& kernel) {
    current = this;
    kernel_ = &kernel;
    std::fill(memory_.begin(), memory_.end(), NAN);
    for (Thread& t : threads_) {
      t.state = State::runs;
      getcontext(&t.context);
      t.context.uc_stack.ss_sp = t.stack.get();
      t.context.uc_stack.ss_size = kStackBytes;
      t.context.uc_link = &scheduler_;
      makecontext(&t.context, &HostBlock::begin, 0);
    }
    std::vector<std::size_t> turns(threads_.size());
    for (std::size_t i = 0; i < turns.size(); ++i) turns[i] = i;
    while (true) {
      std::shuffle(turns.begin(), turns.end(), order_);
      for (const std::size_t i : turns) {
        if (threads_[i].state != State::runs) continue;
        turn_ = i;
        threadIdx.x = static_cast<unsigned>(i);
        swapcontext(&scheduler_, &threads_[i].context);
      }
      if (all(0, threads_.size(), State::ended)) return;
      if (!release()) {
        ADD_FAILURE() << "threads of a block wait for others that have ended or wait elsewhere";
        return;
      }
    }
  }

  void* memory() { return memory_.data(); }
  std::size_t memory_bytes() const { return memory_.size() * sizeof(float); }
  void wait_for_block() { wait(State::at_barrier); }

  /// Product of tiles by the threads of a warp, from the layout of their parts.
  void multiply_tiles(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
    Thread& t = threads_[turn_];
    t.c = c;
    std::copy_n(a, 4, t.a);
    std::copy_n(b, 2, t.b);
    wait(State::at_product);
  }

  /// The number of the thread beside this one in its warp.
  float exchanged(float x) {
    Thread& t = threads_[turn_];
    t.number = x;
    wait(State::at_exchange);
    return t.number;
  }

  static inline HostBlock* current = nullptr;

 private:
  enum class State { runs, at_barrier, at_product, at_exchange, ended };
  static constexpr std::size_t kStackBytes = 128 << 10;

  struct Thread {
    ucontext_t context;
    std::unique_ptr<char[]> stack;
    State state = State::runs;
    float* c = nullptr;
    float number = 0;
    std::uint32_t a[4], b[2];
  };

  static void begin() {
    (*current->kernel_)();
    current->threads_[current->turn_].state = State::ended;
  }
  void wait(State state) {
    Thread& t = threads_[turn_];
    t.state = state;
    const std::size_t me = turn_;
    swapcontext(&t.context, &scheduler_);
    turn_ = me;
    threadIdx.x = static_cast<unsigned>(me);
  }
  bool all(std::size_t first, std::size_t count, State state) const {
    return std::all_of(threads_.begin() + first, threads_.begin() + first + count,
                       [&](const Thread& t) { return t.state == state; });
  }
  /// Lets those go on who have waited for all that they wait for; false when there are none.
  bool release() {
    if (all(0, threads_.size(), State::at_barrier)) {
      for (Thread& t : threads_) t.state = State::runs;
      return true;
    }
    bool any = false;
    for (std::size_t first = 0; first + kWarp <= threads_.size(); first += kWarp) {
      if (all(first, kWarp, State::at_product)) {
        multiply(&threads_[first]);
      } else if (all(first, kWarp, State::at_exchange)) {
        for (std::size_t i = first; i < first + kWarp; i += 2) std::swap(threads_[i].number, threads_[i + 1].number);
      } else {
        continue;
      }
      any = true;
      for (std::size_t i = first; i < first + kWarp; ++i) threads_[i].state = State::runs;
    }
    return any;
  }

  static float low(std::uint32_t pair) { return std::bit_cast<float>(pair << 16); }
  static float high(std::uint32_t pair) { return std::bit_cast<float>(pair & 0xFFFF0000U); }
  static void multiply(Thread* warp) {
    float a[16][16], b[16][8];
    for (int lane = 0; lane < kWarp; ++lane) {
      const int g = lane / 4, q = lane % 4;
      for (int part = 0; part < 4; ++part) {
        const int row = g + 8 * (part % 2), column = 2 * q + 8 * (part / 2);
        a[row][column] = low(warp[lane].a[part]);
        a[row][column + 1] = high(warp[lane].a[part]);
      }
      for (int part = 0; part < 2; ++part) {
        b[2 * q + 8 * part][g] = low(warp[lane].b[part]);
        b[2 * q + 8 * part + 1][g] = high(warp[lane].b[part]);
      }
    }
    for (int lane = 0; lane < kWarp; ++lane) {
      for (int part = 0; part < 4; ++part) {
        const int row = lane / 4 + 8 * (part / 2), column = 2 * (lane % 4) + part % 2;
        for (int k = 0; k < 16; ++k) warp[lane].c[part] += a[row][k] * b[k][column];
      }
    }
  }

  std::vector<float> memory_;
  std::vector<Thread> threads_;
  std::mt19937 order_;
  ucontext_t scheduler_;
  const std::function<void()>* kernel_ = nullptr;
  std::size_t turn_ = 0;
};

inline void __syncthreads() { HostBlock::current->wait_for_block(); }

template <class Value>
Value* block_memory() {
  return static_cast<Value*>(HostBlock::current->memory());
}

inline void multiply_tiles(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  HostBlock::current->multiply_tiles(c, a, b);
}

template <class Value>
Value read_only(const Value* there) {
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(there) % sizeof(Value), 0U);
  return *there;
}

template <class Value>
Value settled(Value value) {
  return value;
}

inline float exchanged(float x) { return HostBlock::current->exchanged(x); }

inline std::uint32_t nearest_bf16(float first, float second) {
  const auto nearest = [](float x) {
    const auto bits = std::bit_cast<std::uint32_t>(x);
    return x != x ? 0x7FFFU : (bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16;
  };
  return nearest(first) | nearest(second) << 16;
}

inline void copy_word(std::uint32_t* to, const std::uint32_t* from) { *to = *from; }
inline void finish_copies() {}

inline std::uint32_t bits_of(float x) { return std::bit_cast<std::uint32_t>(x); }
inline float float_of(std::uint32_t bits) { return std::bit_cast<float>(bits); }

/// Runs a kernel's blocks one after the other.
struct HostLaunch {
  template <class... Parameters, class Geometry, class... Arguments>
  void operator()(void (*kernel)(Parameters...), const Geometry& geometry, const Arguments&... arguments) const {
    EXPECT_LE(geometry.threads, 512);
    EXPECT_LE(geometry.memory_bytes, 163U << 10) << "more than a block of sm_80 can have";
    HostBlock block(geometry.threads, geometry.memory_bytes, /*seed=*/7);
    blockDim.x = static_cast<unsigned>(geometry.threads);
    for (std::int64_t b = 0; b < geometry.blocks; ++b) {
      blockIdx.x = static_cast<unsigned>(b);
      block.run([&] { kernel(arguments...); });
    }
  }
};

}  // namespace
}  // namespace noema::cuda
