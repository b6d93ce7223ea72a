// learn/torch_settings: LibTorch's threads and devices, by the settings of the process.
#pragma once

#include <c10/core/Device.h>

namespace noema {

/// Makes LibTorch follow `thread_count()`, and resolves the devices "auto" and "cuda" of `device()` to what is there.
/// Call it once where the process is set up, after `set_device`.
/// @throws DeviceError if a GPU is asked for that is not there.
void use_torch_settings();

/// The device of `device()`. "auto" is the first GPU where there is one, else the CPU.
/// @throws DeviceError if a GPU is asked for that is not there.
at::Device torch_device();

/// While it lives, LibTorch works with one thread on behalf of the thread that made it: for bodies of parallel loops,
/// where LibTorch's own threads would fight with the library's.
class OneTorchThread {
 public:
  OneTorchThread();
  ~OneTorchThread();
  OneTorchThread(const OneTorchThread&) = delete;
  OneTorchThread& operator=(const OneTorchThread&) = delete;

 private:
  int before_;
};

}  // namespace noema
