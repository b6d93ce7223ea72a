// connectomics/conjugate_gradients: symmetric linear equations through products alone.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

namespace noema {

/// Solves H V = G for a self-adjoint positive definite H, to a residual of `tolerance` relative to G or as far as
/// rounding lets it. No gradient. `stepped`, if given, hears by how much of the last direction the solution grew: what
/// `apply` keeps of each direction can so be added up to that of the solution.
at::Tensor conjugate_gradients(const std::function<at::Tensor(const at::Tensor&)>& apply, const at::Tensor& g,
                               double tolerance, int max_iterations,
                               const std::function<void(double)>& stepped = nullptr);

}  // namespace noema
