#include "noema/mixers/state_space.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/complex.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/imag.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/real.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/view_as_complex.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "noema/core/error.h"
#include "noema/mixers/long_convolution.h"

namespace noema {
namespace {

constexpr std::int64_t kChunk = 128;

/// (…, n): 1, a, a², …, by doubling.
at::Tensor powers(const at::Tensor& a, std::int64_t n) {
  at::Tensor list = at::ones_like(a).unsqueeze(-1), next = a.unsqueeze(-1);
  while (list.size(-1) < n) {
    list = at::cat({list, list * next}, -1);
    next = next * next;
  }
  return list.narrow(-1, 0, n);
}

/// Re(Σ_n x[c, n, i]·y[c, n, j]): (C, N, I) and (C, N, J) complex → (C, I, J) real.
at::Tensor real_product(const at::Tensor& x, const at::Tensor& y) {
  const at::Tensor left = at::cat({at::real(x), -at::imag(x)}, 1);
  const at::Tensor right = at::cat({at::real(y), at::imag(y)}, 1);
  return at::bmm(left.transpose(1, 2), right);
}

at::Tensor as_complex(const at::Tensor& parts) { return at::view_as_complex(parts.to(at::kDouble)); }

/// (N): Im A.
at::Tensor starting_frequencies(const StateSpaceOptions& options) {
  const at::Tensor n = at::arange(options.modes, at::TensorOptions(at::kDouble));
  if (options.start == StateSpaceStart::linear) return n * std::numbers::pi;
  const auto size = static_cast<double>(2 * options.modes);
  return (size / (2 * n + 1) - 1) * (size / std::numbers::pi);
}

}  // namespace

void StateSpaceOptions::validate() const {
  if (modes < 1) throw UsageError(fmt::format("a state space of {} modes, expected at least 1", modes));
  if (!(least_step > 0 && largest_step >= least_step && std::isfinite(largest_step))) {
    throw UsageError(fmt::format("steps of a state space from {} to {}, expected positive numbers that rise",
                                 least_step, largest_step));
  }
}

/// One step from volume to volume: s ← a s + b u, y = 2·Re(c s); complex128 (C, N).
struct StateSpaceKernel::Discrete {
  at::Tensor a, b, c;
};

StateSpaceKernel::StateSpaceKernel(std::int64_t channels, const StateSpaceOptions& options, at::Generator& generator)
    : options_((options.validate(), options)) {
  const double half = options.real_part == RealPart::exponential ? std::log(0.5) : std::log(std::expm1(0.5));
  const at::Tensor frequencies = starting_frequencies(options).to(at::kFloat);
  log_step_ = register_parameter(
      "log_step",
      at::empty({channels}).uniform_(std::log(options.least_step), std::log(options.largest_step) + 1e-12, generator));
  real_part_ = register_parameter("real_part", at::full({channels, options.modes}, half));
  frequency_ = register_parameter("frequency", frequencies.expand({channels, options.modes}).clone());
  at::Tensor ones = at::zeros({channels, options.modes, 2});
  ones.select(2, 0).fill_(1);
  b_ = register_parameter("b", ones);
  c_ = register_parameter("c", at::empty({channels, options.modes, 2}).normal_(0, std::sqrt(0.5), generator));
}

StateSpaceKernel::Discrete StateSpaceKernel::discrete() const {
  const at::Tensor p = real_part_.to(at::kDouble);
  const at::Tensor decay = (options_.real_part == RealPart::exponential ? p.exp() : at::softplus(p)).clamp_min(1e-4);
  const at::Tensor a = at::complex(-decay, frequency_.to(at::kDouble));  // (C, N)
  const at::Tensor step = log_step_.to(at::kDouble).exp().unsqueeze(1);  // (C, 1)
  const at::Tensor b = as_complex(b_), c = as_complex(c_);
  if (options_.discretisation == Discretisation::zero_hold) {
    const at::Tensor factor = (step * a).exp();
    return {factor, b * (factor - 1) / a, c};
  }
  const at::Tensor half = step * a / 2;
  return {(1 + half) / (1 - half), step * b / (1 - half), c};
}

at::Tensor StateSpaceKernel::factors() const { return discrete().a; }

at::Tensor StateSpaceKernel::taps(std::int64_t volumes) const {
  const Discrete space = discrete();
  const auto block = static_cast<std::int64_t>(std::ceil(std::sqrt(static_cast<double>(volumes))));
  const std::int64_t blocks = (volumes + block - 1) / block;
  const at::Tensor table = powers(space.a, block + 1);               // (C, N, block + 1)
  const at::Tensor starts = powers(table.select(2, block), blocks);  // (C, N, blocks)
  const at::Tensor weights = (2 * space.b * space.c).unsqueeze(2) * starts;
  const at::Tensor taps = real_product(weights, table.narrow(2, 0, block));  // (C, blocks, block)
  return taps.reshape({taps.size(0), blocks * block}).narrow(1, 0, volumes).to(log_step_.scalar_type());
}

std::int64_t StateSpaceKernel::flops(std::int64_t volumes) const {
  const auto tables = static_cast<std::int64_t>(12 * std::sqrt(static_cast<double>(volumes)));
  return real_part_.numel() * (4 * volumes + tables + 40);
}

at::Tensor StateSpaceKernel::initial_state(std::int64_t batch) const {
  const at::ScalarType type = at::toComplexType(log_step_.scalar_type());
  return at::zeros({batch, real_part_.size(0), real_part_.size(1)},
                   log_step_.options().requires_grad(false).dtype(type));
}

at::Tensor StateSpaceKernel::advance_chunk(const Discrete& space, const at::Tensor& u, at::Tensor& state) const {
  const std::int64_t volumes = u.size(1);
  const at::Tensor table = powers(space.a, volumes + 1);                         // (C, N, T + 1)
  const at::Tensor before = (state * (2 * space.c)).permute({1, 2, 0});          // (C, N, B)
  const at::Tensor carried = real_product(table.narrow(2, 1, volumes), before);  // (C, T, B)
  const at::Tensor kernel = real_product((2 * space.b * space.c).unsqueeze(2), table.narrow(2, 0, volumes)).squeeze(1);
  const at::Tensor added = long_convolution(u, kernel.to(u.scalar_type()), LagConvention::causal);

  // Volume t of the chunk has decayed for T − 1 − t steps at its end.
  const at::Tensor weights = space.b.unsqueeze(2) * table.narrow(2, 0, volumes).flip(2);  // (C, N, T)
  const at::Tensor input = u.permute({2, 1, 0}).to(weights.scalar_type());                // (C, T, B)
  const at::Tensor gained = at::bmm(weights, input).permute({2, 0, 1});                   // (B, C, N)
  state = (state * table.select(2, volumes) + gained).to(state.scalar_type());
  return added + carried.permute({2, 1, 0}).to(u.scalar_type());
}

at::Tensor StateSpaceKernel::advance(const at::Tensor& u, at::Tensor& state) const {
  const Discrete space = discrete();
  std::vector<at::Tensor> parts;
  for (std::int64_t start = 0; start < u.size(1); start += kChunk) {
    parts.push_back(advance_chunk(space, u.narrow(1, start, std::min(kChunk, u.size(1) - start)), state));
  }
  return at::cat(parts, 1);
}

TrainingTag StateSpaceKernel::training_tag(std::string_view name, const at::Tensor& parameter) const {
  return name == "c" ? usual_tag(parameter) : kDynamics;
}

std::int64_t StateSpaceKernel::state_bytes() const {
  return real_part_.numel() * 2 * static_cast<std::int64_t>(real_part_.element_size());
}

}  // namespace noema
