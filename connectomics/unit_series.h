// connectomics/unit_series: series of mean 0 and length 1, whose products are correlations.
#pragma once

#include <ATen/core/Tensor.h>

namespace noema {

/// (…, T): each series less its mean, divided by its length. A series that is constant up to rounding gives zeros, with
/// gradient 0: it correlates with nothing. Differentiable.
at::Tensor unit_series(const at::Tensor& series);

}  // namespace noema
