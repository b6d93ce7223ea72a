#include "noema/learn/torch_settings.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "noema/core/error.h"
#include "noema/core/settings.h"

namespace noema {

void use_torch_settings() {
  static const bool registered = [] {
    on_thread_count([](int threads) { at::set_num_threads(threads); });
    return true;
  }();
  static_cast<void>(registered);
  set_device(torch_device().str());
}

at::Device torch_device() {
  const std::string& name = device();
  const auto gpus = static_cast<int>(at::getNumGPUs());
  if (name == "cpu" || (name == "auto" && gpus == 0)) return at::Device(at::kCPU);
  const at::Device wanted = name == "auto" || name == "cuda" ? at::Device(at::kCUDA, 0) : at::Device(name);
  if (wanted.index() >= gpus) {
    throw DeviceError(fmt::format("device '{}' is not there, found {} usable GPU(s); use the device cpu", name, gpus));
  }
  return wanted;
}

OneTorchThread::OneTorchThread() : before_(at::get_num_threads()) { at::set_num_threads(1); }

OneTorchThread::~OneTorchThread() { at::set_num_threads(before_); }

}  // namespace noema
