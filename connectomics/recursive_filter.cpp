// The recursion forward and, for the gradient, the same recursion backward in time.
#include "noema/connectomics/recursive_filter.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/atanh.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/polar.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <numbers>

#include "noema/connectomics/shapes.h"
#include "noema/core/error.h"
#include "noema/core/parallel.h"

namespace noema {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

constexpr double kLargestReflection = 1 - 1e-6;

template <class T>
void recursion(T* values, std::int64_t frames, const T* a, std::int64_t order) {
  for (std::int64_t t = 0; t < frames; ++t) {
    T y = values[t];
    for (std::int64_t k = 1; k <= std::min(order, t); ++k) y -= a[k - 1] * values[t - k];
    values[t] = y;
  }
}

template <class T>
void all_rows(at::Tensor& y, const at::Tensor& a) {
  const std::int64_t frames = y.size(-1), rows = frames == 0 ? 0 : y.numel() / frames;
  T* values = y.mutable_data_ptr<T>();
  const T* coefficients = a.const_data_ptr<T>();
  parallel_for(rows, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) recursion(values + r * frames, frames, coefficients, a.numel());
  });
}

class AllPole : public torch::autograd::Function<AllPole> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& a) {
    at::Tensor y = x.to(at::kCPU).contiguous().clone();
    const at::Tensor coefficients = a.to(at::kCPU).contiguous();
    if (y.scalar_type() == at::kFloat) {
      all_rows<float>(y, coefficients);
    } else {
      all_rows<double>(y, coefficients);
    }
    y = y.to(x.device());
    context->save_for_backward({a, y});
    return y;
  }
  static tensor_list backward(AutogradContext* context, const tensor_list& gradients) {
    const tensor_list saved = context->get_saved_variables();
    const at::Tensor &a = saved[0], &y = saved[1];
    const at::Tensor adjoint = all_pole_filter(gradients[0].flip(-1), a).flip(-1);
    at::Tensor in_a;
    if (context->needs_input_grad(1)) {
      std::vector<at::Tensor> each;
      const std::int64_t frames = y.size(-1);
      for (std::int64_t k = 1; k <= a.numel(); ++k) {
        const std::int64_t shift = std::min(k, frames);
        each.push_back(-(adjoint.slice(-1, shift, frames) * y.slice(-1, 0, frames - shift)).sum());
      }
      in_a = at::stack(each);
    }
    return {adjoint, in_a};
  }
};

/// x delayed by k frames, zeros first.
at::Tensor delayed(const at::Tensor& x, std::int64_t k) {
  const std::int64_t frames = x.size(-1), shift = std::min(k, frames);
  return at::constant_pad_nd(x.slice(-1, 0, frames - shift), {shift, 0});
}

/// One section from the states of transposed direct form II, `state` (…, 2) or undefined.
at::Tensor section(const at::Tensor& x, const at::Tensor& s, const at::Tensor& state) {
  at::Tensor forcing = s[0] * x + s[1] * delayed(x, 1) + s[2] * delayed(x, 2);
  if (state.defined()) {
    const std::int64_t used = std::min<std::int64_t>(2, x.size(-1));
    forcing = forcing + at::constant_pad_nd(state.slice(-1, 0, used), {0, x.size(-1) - used});
  }
  return all_pole_filter(forcing, s.slice(0, 3, 5));
}

void require_sections(const at::Tensor& series, const at::Tensor& sections) {
  require_dimensions(series, "series", 1, "(…, T)");
  require_dimensions(sections, "filter sections", 2, "(S, 5)");
  require_size(sections, "filter sections", -1, 5);
  if (series.size(-1) == 0) throw ShapeError("series: found no frames, expected (…, T) with T ≥ 1");
}

/// The sections on a series whose first value had lasted for ever.
at::Tensor settled_filter(at::Tensor series, const at::Tensor& sections) {
  at::Tensor level = series.slice(-1, 0, 1);  // what enters the section for ever
  for (std::int64_t i = 0; i < sections.size(0); ++i) {
    const at::Tensor s = sections[i];
    const at::Tensor gain = (s[0] + s[1] + s[2]) / (1 + s[3] + s[4]);
    const at::Tensor state = at::stack({gain - s[0], s[2] - s[4] * gain});
    series = section(series, s, level * state);
    level = level * gain;
  }
  return series;
}

/// How far scipy extends: 3 × (2S + 1 − sections of first order).
std::int64_t extension(const at::Tensor& sections) {
  const at::Tensor last_b = sections.select(-1, 2) == 0, last_a = sections.select(-1, 4) == 0;
  const auto first_order = std::min(last_b.sum().item<std::int64_t>(), last_a.sum().item<std::int64_t>());
  return 3 * (2 * sections.size(0) + 1 - first_order);
}

}  // namespace

at::Tensor all_pole_filter(const at::Tensor& x, const at::Tensor& a) {
  require_dimensions(x, "series", 1, "(…, T)");
  require_dimensions(a, "denominator", 1, "(K)");
  if (a.dim() != 1 || a.numel() == 0) {
    throw ShapeError(fmt::format("denominator: found shape {}, expected (K) with K ≥ 1", shape_text(a.sizes())));
  }
  return AllPole::apply(x, a.to(x.scalar_type()));
}

at::Tensor sos_filter(const at::Tensor& series, const at::Tensor& sections) {
  require_sections(series, sections);
  at::Tensor y = series;
  for (std::int64_t i = 0; i < sections.size(0); ++i) y = section(y, sections[i], {});
  return y;
}

at::Tensor zero_phase_filter(const at::Tensor& series, const at::Tensor& sections) {
  require_sections(series, sections);
  const std::int64_t frames = series.size(-1), edge = extension(sections);
  if (frames <= edge) {
    throw DataError(fmt::format("zero-phase filter: found {} frames, expected more than the {} by which ends extend",
                                frames, edge));
  }
  const at::Tensor head = 2 * series.slice(-1, 0, 1) - series.slice(-1, 1, edge + 1).flip(-1);
  const at::Tensor tail = 2 * series.slice(-1, frames - 1) - series.slice(-1, frames - 1 - edge, frames - 1).flip(-1);
  const at::Tensor forward = settled_filter(at::cat({head, series, tail}, -1), sections);
  return settled_filter(forward.flip(-1), sections).flip(-1).slice(-1, edge, edge + frames);
}

at::Tensor section_tensor(const std::vector<Biquad>& sections, const at::TensorOptions& options) {
  std::vector<double> values;
  for (const Biquad& s : sections) values.insert(values.end(), {s.b0, s.b1, s.b2, s.a1, s.a2});
  return at::tensor(values, at::kDouble).reshape({-1, 5}).to(options);
}

at::Tensor denominator_from_reflection(const at::Tensor& reflection) {
  require_dimensions(reflection, "reflection coefficients", 1, "(…, K)");
  at::Tensor a = reflection.slice(-1, 0, 1);
  for (std::int64_t k = 1; k < reflection.size(-1); ++k) {
    const at::Tensor next = reflection.slice(-1, k, k + 1);
    a = at::cat({a + next * a.flip(-1), next}, -1);
  }
  return a;
}

at::Tensor reflection_from_denominator(const at::Tensor& a) {
  require_dimensions(a, "denominator", 1, "(…, K)");
  at::Tensor rest = a.detach();
  at::Tensor reflection = at::empty_like(rest);
  for (std::int64_t k = rest.size(-1); k >= 1; --k) {
    const at::Tensor last = rest.slice(-1, k - 1, k);
    const double largest = last.abs().max().item<double>();
    if (!(largest < 1)) {
      throw NumericalError(
          fmt::format("denominator: found a pole on or outside the unit circle (reflection coefficient {}), expected a "
                      "stable filter",
                      largest));
    }
    reflection.slice(-1, k - 1, k).copy_(last);
    const at::Tensor head = rest.slice(-1, 0, k - 1);
    rest = (head - last * head.flip(-1)) / (1 - last * last);
  }
  return reflection;
}

at::Tensor stable_sections(const at::Tensor& free) {
  require_dimensions(free, "filter sections", 2, "(S, 5)");
  require_size(free, "filter sections", -1, 5);
  const at::Tensor reflection = kLargestReflection * at::tanh(free.slice(-1, 3, 5));
  return at::cat({free.slice(-1, 0, 3), denominator_from_reflection(reflection)}, -1);
}

at::Tensor free_sections(const at::Tensor& sections) {
  require_dimensions(sections, "filter sections", 2, "(S, 5)");
  require_size(sections, "filter sections", -1, 5);
  const at::Tensor fixed = sections.detach().to(at::kDouble);
  const at::Tensor reflection = reflection_from_denominator(fixed.slice(-1, 3, 5));
  const double largest = reflection.abs().max().item<double>();
  if (!(largest < kLargestReflection)) {
    throw NumericalError(
        fmt::format("filter sections: found a reflection coefficient of {:.9f}, expected them within ±{}: a wider or "
                    "higher band, or series of fewer frames in each second, have such",
                    largest, kLargestReflection));
  }
  const at::Tensor free = at::cat({fixed.slice(-1, 0, 3), at::atanh(reflection / kLargestReflection)}, -1);
  return free.to(sections.scalar_type());
}

at::Tensor section_response(const at::Tensor& sections, std::int64_t frequencies) {
  require_dimensions(sections, "filter sections", 2, "(S, 5)");
  require_size(sections, "filter sections", -1, 5);
  if (frequencies < 2) throw UsageError("response of a filter: expected at least two frequencies");
  const at::Tensor angle = at::linspace(0, -std::numbers::pi, frequencies, sections.options().requires_grad(false));
  const at::Tensor z = at::polar(at::ones_like(angle), angle).unsqueeze(0);  // e^{−iω}
  const auto column = [&](std::int64_t i) { return sections.slice(-1, i, i + 1); };
  const at::Tensor above = column(0) + column(1) * z + column(2) * z * z;
  const at::Tensor below = 1 + column(3) * z + column(4) * z * z;
  return (above / below).prod(0);
}

}  // namespace noema
