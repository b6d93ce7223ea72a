#include "noema/kernels/cuda/failure.h"

#include "noema/core/error.h"

namespace noema::cuda {

void throw_device_error(const std::string& message) { throw DeviceError(message); }

}  // namespace noema::cuda
