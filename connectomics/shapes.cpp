// The checks that every block makes.
#include "noema/connectomics/shapes.h"

#include <ATen/TensorOperators.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "noema/core/error.h"

namespace noema {

std::string shape_text(at::IntArrayRef sizes) { return fmt::format("({})", fmt::join(sizes, ", ")); }

void require_dimensions(const at::Tensor& tensor, std::string_view name, std::int64_t dimensions,
                        std::string_view layout) {
  if (!tensor.defined()) throw ShapeError(fmt::format("{}: found no tensor, expected {}", name, layout));
  if (tensor.scalar_type() != at::kFloat && tensor.scalar_type() != at::kDouble) {
    throw ShapeError(fmt::format("{}: found numbers of type {}, expected float32 or float64", name,
                                 c10::toString(tensor.scalar_type())));
  }
  if (tensor.dim() < dimensions) {
    throw ShapeError(fmt::format("{}: found shape {}, expected {}", name, shape_text(tensor.sizes()), layout));
  }
}

void require_square(const at::Tensor& tensor, std::string_view name) {
  require_dimensions(tensor, name, 2, "(…, N, N)");
  if (tensor.size(-1) != tensor.size(-2) || tensor.size(-1) == 0) {
    throw ShapeError(
        fmt::format("{}: found shape {}, expected square matrices (…, N, N)", name, shape_text(tensor.sizes())));
  }
}

void require_size(const at::Tensor& tensor, std::string_view name, std::int64_t dimension, std::int64_t expected) {
  if (tensor.size(dimension) != expected) {
    throw ShapeError(fmt::format("{}: found shape {}, expected {} in dimension {}", name, shape_text(tensor.sizes()),
                                 expected, dimension));
  }
}

at::Tensor symmetrised(const at::Tensor& matrix) { return (matrix + matrix.mT()) * 0.5; }

}  // namespace noema
