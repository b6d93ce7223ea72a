// kernels/cuda/launch: kernels put on a stream, and memory of the device; for files that nvcc compiles.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <string>
#include <vector>

#include "noema/kernels/cuda/failure.h"
#include "noema/kernels/cuda/geometry.h"

namespace noema::cuda {

inline void check(cudaError_t status, const char* what) {
  if (status != cudaSuccess) {
    throw_device_error(std::string("CUDA failed at ") + what + ": " + cudaGetErrorString(status));
  }
}

struct StreamLaunch {
  cudaStream_t stream;

  template <class... Parameters, class... Arguments>
  void operator()(void (*kernel)(Parameters...), const Geometry& g, const Arguments&... arguments) const {
    constexpr std::size_t kUnasked = 48 << 10;
    if (g.memory_bytes > kUnasked) {
      check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(g.memory_bytes)),
            "asking for the memory of a block");
    }
    kernel<<<static_cast<unsigned>(g.blocks), static_cast<unsigned>(g.threads), g.memory_bytes, stream>>>(arguments...);
    check(cudaGetLastError(), "a launch");
  }
};

/// Numbers copied to the device, once.
class OnDevice {
 public:
  explicit OnDevice(const std::vector<float>& values) {
    const std::size_t bytes = values.size() * sizeof(float);
    check(cudaMalloc(&memory_, bytes), "allocating tables");
    cudaError_t copied = cudaMemcpy(memory_, values.data(), bytes, cudaMemcpyHostToDevice);
    // A copy from pageable memory may return before it is done, and other streams do not wait for the default one.
    if (copied == cudaSuccess) copied = cudaStreamSynchronize(nullptr);
    if (copied != cudaSuccess) cudaFree(memory_);
    check(copied, "copying tables");
  }
  ~OnDevice() { cudaFree(memory_); }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

  const float* data() const { return static_cast<const float*>(memory_); }

 private:
  void* memory_ = nullptr;
};

}  // namespace noema::cuda
