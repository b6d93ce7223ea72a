#include "noema/connectomics/conjugate_gradients.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros_like.h>

namespace noema {

at::Tensor conjugate_gradients(const std::function<at::Tensor(const at::Tensor&)>& apply, const at::Tensor& g,
                               double tolerance, int max_iterations, const std::function<void(double)>& stepped) {
  at::Tensor solution = at::zeros_like(g), residual = g, direction = g;
  double square = g.square().sum().item<double>();
  const double goal = square * tolerance * tolerance;
  for (int i = 0; i < max_iterations && square > goal && square > 0; ++i) {
    const at::Tensor image = apply(direction);
    const double energy = (direction * image).sum().item<double>();
    if (!(energy > 0)) break;  // nothing left but rounding
    const double step = square / energy;
    solution = solution + step * direction;
    if (stepped) stepped(step);
    residual = residual - step * image;
    const double next = residual.square().sum().item<double>();
    direction = residual + (next / square) * direction;
    square = next;
  }
  return solution;
}

}  // namespace noema
