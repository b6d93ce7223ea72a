#include "noema/kernels/long_conv_op.h"

#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>
#include <list>
#include <memory>
#include <mutex>
#include <utility>

#include "noema/kernels/cpu/aligned.h"
#include "noema/kernels/op_arguments.h"
#include "noema/kernels/prepared_kernels.h"
#ifdef NOEMA_HAVE_CUDA
#include "noema/kernels/cuda/long_conv_op.h"
#endif

namespace noema {
namespace {

using op::Arguments;
using op::Gradients;
using op::MaybeTensor;

/// Plans of sizes that were used lately: their tables cost as much as some hundred rows.
std::shared_ptr<const LongConvPlan> plan_for(const LongConvSizes& sizes, LongConvPrecision precision) {
  constexpr std::size_t kKept = 32;
  struct Known {
    LongConvSizes sizes;
    LongConvPrecision precision;
    std::shared_ptr<const LongConvPlan> plan;
  };
  static std::mutex mutex;
  static std::list<Known> plans;
  const std::lock_guard lock(mutex);
  for (auto known = plans.begin(); known != plans.end(); ++known) {
    if (!(known->sizes == sizes) || known->precision != precision) continue;
    plans.splice(plans.begin(), plans, known);
    return known->plan;
  }
  plans.push_front({sizes, precision, std::make_shared<const LongConvPlan>(sizes, LongConvChoice{precision})});
  if (plans.size() > kKept) plans.pop_back();
  return plans.front().plan;
}

void check_type(const at::Tensor& x, const char* name, const at::Device& device) {
  TORCH_CHECK(x.device() == device && x.scalar_type() == at::kFloat, "long_conv: ", name, " is ", x.scalar_type(),
              " on ", x.device(), ", expected float32 on ", device);
}

void check(const Arguments& x) {
  const at::Device device = x.u.device();
  check_type(x.u, "u", device);
  TORCH_CHECK(x.u.dim() == 3 && x.u.size(1) > 0 && x.u.size(2) > 0, "long_conv: u has shape ", x.u.sizes(),
              ", expected (batch, time, channels)");
  const std::int64_t channels = x.u.size(2);
  for (const auto& [kernel, name] : {std::pair(&x.past, "past"), std::pair(&x.future, "future")}) {
    if (!kernel->defined()) continue;
    check_type(*kernel, name, device);
    TORCH_CHECK(kernel->dim() == 2 && kernel->size(0) == channels && kernel->size(1) > 0, "long_conv: ", name,
                " has shape ", kernel->sizes(), ", expected (", channels, ", taps)");
  }
  if (x.skip.defined()) {
    check_type(x.skip, "skip", device);
    TORCH_CHECK(x.skip.dim() == 1 && x.skip.size(0) == channels, "long_conv: skip has shape ", x.skip.sizes(),
                ", expected (", channels, ")");
  }
  for (const auto& [gate, name] : {std::pair(&x.pre, "pre"), std::pair(&x.post, "post")}) {
    if (!*gate) continue;
    check_type(**gate, name, device);
    TORCH_CHECK((*gate)->sizes() == x.u.sizes(), "long_conv: ", name, " has shape ", (*gate)->sizes(), ", expected ",
                x.u.sizes());
  }
}

/// Calls `body(channels)` on threads, whole cache lines of channels at a time.
template <class Body>
void for_channels(const LongConvSizes& sizes, const Body& body) {
  constexpr std::int64_t kTogether = 16, kRowsWorthAThread = 64;
  const std::int64_t groups = (sizes.channels + kTogether - 1) / kTogether;
  const std::int64_t rows = kTogether * std::max<std::int64_t>(sizes.batch, 1);
  const std::int64_t grain = std::max<std::int64_t>(1, kRowsWorthAThread / rows);
  at::parallel_for(0, groups, grain, [&](std::int64_t begin, std::int64_t end) {
    body(ChannelRange{begin * kTogether, std::min(end * kTogether, sizes.channels)});
  });
}

/// What the plan makes of the kernels, or made of the same ones lately: in use a kernel stays the same from call to
/// call, and in training from forward to backward.
std::shared_ptr<const float> prepared_for(const std::shared_ptr<const LongConvPlan>& plan, const Arguments& x) {
  static PreparedKernels lately;
  const LongConvSizes sizes = x.sizes();
  if (std::shared_ptr<const float> known = lately.find(plan, sizes, x.taps())) return known;
  const std::shared_ptr<float> prepared(cpu::aligned_floats(plan->prepared_floats() * sizes.channels).release(),
                                        cpu::AlignedDelete{});
  for_channels(sizes, [&](ChannelRange channels) { plan->prepare(x.taps(), channels, prepared.get()); });
  lately.keep(plan, sizes, x.taps(), prepared);
  return prepared;
}

at::Tensor forward_on_processor(const Arguments& x, LongConvPrecision precision) {
  const LongConvSizes sizes = x.sizes();
  const auto plan = plan_for(sizes, precision);
  const at::Tensor y = at::empty_like(x.u);
  const LongConvForward series = x.forward(y);
  const auto prepared = prepared_for(plan, x);
  for_channels(sizes, [&](ChannelRange channels) { plan->forward(series, prepared.get(), channels); });
  return y;
}

Gradients backward_on_processor(const at::Tensor& dy, const Arguments& x) {
  const LongConvSizes sizes = x.sizes();
  const auto plan = plan_for(sizes, LongConvPrecision::float32);
  Gradients gradients = x.empty_gradients();
  const LongConvBackward series = x.backward(dy, gradients);
  const auto prepared = prepared_for(plan, x);
  for_channels(sizes, [&](ChannelRange channels) { plan->backward(series, prepared.get(), channels); });
  return gradients;
}

[[noreturn]] void refuse(const at::Device& device) {
  TORCH_CHECK(false, "long_conv has no loops for ", device, " in this build");
}

at::Tensor forward(const at::Tensor& u, const at::Tensor& past, const MaybeTensor& future, const MaybeTensor& skip,
                   const MaybeTensor& pre, const MaybeTensor& post, std::int64_t precision) {
  const Arguments arguments(u, past, future, skip, pre, post);
  check(arguments);
  TORCH_CHECK(precision >= 0 && precision <= 2, "long_conv: precision is ", precision,
              ", expected 0 (float32), 1 (bf16x3) or 2 (bf16)");
  if (u.numel() == 0) return at::empty_like(u);
  if (u.is_cpu()) return forward_on_processor(arguments, static_cast<LongConvPrecision>(precision));
#ifdef NOEMA_HAVE_CUDA
  if (u.is_cuda()) return cuda::forward(arguments, static_cast<LongConvPrecision>(precision));
#endif
  refuse(u.device());
}

Gradients backward(const at::Tensor& dy, const Arguments& arguments) {
  check_type(dy, "the gradient", arguments.u.device());
  if (arguments.u.numel() == 0) return arguments.zero_gradients();
  if (dy.is_cpu()) return backward_on_processor(dy, arguments);
#ifdef NOEMA_HAVE_CUDA
  if (dy.is_cuda()) return cuda::backward(dy, arguments);
#endif
  refuse(dy.device());
}

at::Tensor call(const at::Tensor& u, const at::Tensor& past, const MaybeTensor& future, const MaybeTensor& skip,
                const MaybeTensor& pre, const MaybeTensor& post, std::int64_t precision) {
  static const auto operation =
      c10::Dispatcher::singleton().findSchemaOrThrow("noema::long_conv", "").typed<decltype(forward)>();
  return operation.call(u, past, future, skip, pre, post, precision);
}

struct Autograd : torch::autograd::Function<Autograd> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& u, const at::Tensor& past,
                            const MaybeTensor& future, const MaybeTensor& skip, const MaybeTensor& pre,
                            const MaybeTensor& post, std::int64_t precision) {
    const at::AutoDispatchBelowADInplaceOrView below;
    const auto maybe = [](const MaybeTensor& x) { return x.value_or(at::Tensor()); };
    context->save_for_backward({u, past, maybe(future), maybe(skip), maybe(pre), maybe(post)});
    return call(u, past, future, skip, pre, post, precision);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& dy) {
    TORCH_CHECK(!at::GradMode::is_enabled(),
                "long_conv has no gradient of its gradient: use float64, or do not ask for create_graph");
    const auto saved = context->get_saved_variables();
    const auto maybe = [&](int i) { return saved[i].defined() ? MaybeTensor(saved[i]) : MaybeTensor(); };
    const auto [du, dpast, dfuture, dskip, dpre, dpost] =
        noema::backward(dy[0], Arguments(saved[0], saved[1], maybe(2), maybe(3), maybe(4), maybe(5)));
    return {du, dpast, dfuture, dskip, dpre, dpost, at::Tensor()};
  }
};

at::Tensor differentiable(const at::Tensor& u, const at::Tensor& past, const MaybeTensor& future,
                          const MaybeTensor& skip, const MaybeTensor& pre, const MaybeTensor& post,
                          std::int64_t precision) {
  return Autograd::apply(u, past, future, skip, pre, post, precision);
}

TORCH_LIBRARY(noema, library) {
  library.def(
      "long_conv(Tensor u, Tensor past, Tensor? future, Tensor? skip, Tensor? pre, Tensor? post, int precision) -> "
      "Tensor");
}
TORCH_LIBRARY_IMPL(noema, CPU, library) { library.impl("long_conv", forward); }
#ifdef NOEMA_HAVE_CUDA
TORCH_LIBRARY_IMPL(noema, CUDA, library) { library.impl("long_conv", forward); }
#endif
TORCH_LIBRARY_IMPL(noema, Autograd, library) { library.impl("long_conv", differentiable); }

}  // namespace

at::Tensor long_conv(const at::Tensor& u, const at::Tensor& past, const LongConvExtras& extras) {
  return call(u, past, extras.future, extras.skip, extras.pre, extras.post,
              static_cast<std::int64_t>(extras.precision));
}

bool long_conv_has_cuda() {
#ifdef NOEMA_HAVE_CUDA
  return true;
#else
  return false;
#endif
}

}  // namespace noema
