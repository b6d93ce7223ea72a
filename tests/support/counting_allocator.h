// tests/support/counting_allocator: how much memory of tensors a computation leaves behind.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <new>

namespace noema {

/// Counts what LibTorch has allocated.
class CountingAllocator : public at::Allocator {
 public:
  at::DataPtr allocate(std::size_t bytes) override {
    auto* block = static_cast<char*>(::operator new (bytes + kHeader, std::align_val_t{kHeader}));
    *reinterpret_cast<std::size_t*>(block) = bytes;
    held += static_cast<std::int64_t>(bytes);
    return {block + kHeader, block + kHeader, &release, at::Device(at::kCPU)};
  }
  at::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, std::size_t count) const override { default_copy_data(to, from, count); }

  static inline std::int64_t held = 0;

 private:
  static constexpr std::size_t kHeader = 64;

  static void release(void* data) {
    if (data == nullptr) return;
    char* block = static_cast<char*>(data) - kHeader;
    held -= static_cast<std::int64_t>(*reinterpret_cast<std::size_t*>(block));
    ::operator delete (block, std::align_val_t{kHeader});
  }
};

/// Bytes of tensors that are held after `forward` and were not before, with its result: what a gradient would need.
inline std::int64_t bytes_kept_by(const std::function<at::Tensor()>& forward) {
  CountingAllocator counting;
  at::Allocator* before = c10::GetCPUAllocator();
  c10::SetCPUAllocator(&counting, 255);
  std::int64_t kept = -CountingAllocator::held;
  {
    const at::Tensor result = forward();
    kept += CountingAllocator::held;
  }
  c10::SetCPUAllocator(before, 255);
  return kept;
}

}  // namespace noema
