#include "noema/kernels/cuda/long_conv_op.h"

#include <ATen/ops/empty.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <list>
#include <memory>
#include <mutex>

#include "noema/kernels/cuda/long_conv.h"

namespace noema::cuda {
namespace {

/// A plan of these sizes on this device and stream; a plan serves one stream at a time, so each has its own.
std::shared_ptr<const LongConvPlan> plan_for(const LongConvSizes& sizes, LongConvPrecision precision,
                                             const c10::cuda::CUDAStream& stream) {
  constexpr std::size_t kKept = 16;
  struct Known {
    LongConvSizes sizes;
    LongConvPrecision precision;
    c10::cuda::CUDAStream stream;
    std::shared_ptr<const LongConvPlan> plan;
  };
  static std::mutex mutex;
  static std::list<Known> plans;
  const std::lock_guard lock(mutex);
  for (auto known = plans.begin(); known != plans.end(); ++known) {
    if (!(known->sizes == sizes) || known->precision != precision || known->stream != stream) continue;
    plans.splice(plans.begin(), plans, known);
    return known->plan;
  }
  plans.push_front({sizes, precision, stream, std::make_shared<const LongConvPlan>(sizes, LongConvChoice{precision})});
  if (plans.size() > kKept) plans.pop_back();
  return plans.front().plan;
}

at::Tensor working_memory(std::size_t bytes, const at::Device& device) {
  return at::empty({static_cast<std::int64_t>(bytes)}, at::TensorOptions(at::kByte).device(device));
}

}  // namespace

at::Tensor forward(const op::Arguments& arguments, LongConvPrecision precision) {
  const c10::cuda::CUDAGuard guard(arguments.u.device());
  const auto stream = c10::cuda::getCurrentCUDAStream();
  const auto plan = plan_for(arguments.sizes(), precision, stream);
  const at::Tensor y = at::empty_like(arguments.u);
  const at::Tensor prepared = working_memory(plan->prepared_bytes(), arguments.u.device());
  const at::Tensor work = working_memory(plan->forward_bytes(), arguments.u.device());
  plan->prepare(arguments.taps(), prepared.mutable_data_ptr(), work.mutable_data_ptr(), stream);
  plan->forward(arguments.forward(y), prepared.const_data_ptr(), work.mutable_data_ptr(), stream);
  return y;
}

op::Gradients backward(const at::Tensor& dy, const op::Arguments& arguments) {
  const c10::cuda::CUDAGuard guard(arguments.u.device());
  const auto stream = c10::cuda::getCurrentCUDAStream();
  const auto plan = plan_for(arguments.sizes(), LongConvPrecision::float32, stream);
  const op::Gradients gradients = arguments.empty_gradients();
  const at::Tensor prepared = working_memory(plan->prepared_bytes(), arguments.u.device());
  const at::Tensor work = working_memory(plan->backward_bytes(), arguments.u.device());
  plan->prepare(arguments.taps(), prepared.mutable_data_ptr(), work.mutable_data_ptr(), stream);
  plan->backward(arguments.backward(dy, gradients), prepared.const_data_ptr(), work.mutable_data_ptr(), stream);
  return gradients;
}

}  // namespace noema::cuda
