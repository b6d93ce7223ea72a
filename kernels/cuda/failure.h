// kernels/cuda/failure: nvcc 13 cannot compile core/error.h, so its files throw through here.
#pragma once

#include <string>

namespace noema::cuda {

/// @throws DeviceError always
[[noreturn]] void throw_device_error(const std::string& message);

}  // namespace noema::cuda
