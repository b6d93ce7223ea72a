// tests/kernels/libtorch_errors: how far LibTorch's own transforms in float32 are off on the same numbers.
#pragma once

#include <string>

#include "direct_sums.h"

namespace noema {

/// max |found − expected| / rms(expected) of each; 0 for what is not asked for. dpast is with dskip, whose few values
/// are sums like its own.
struct Errors {
  double y = 0, du = 0, dpre = 0, dpost = 0, dpast = 0, dfuture = 0;
};

/// Of padded rfft, product, irfft, slice and skip term with autograd.
Errors libtorch_errors(const Case& c, const Expected& expected);

/// Each result that is asked for to `tolerance`, or, where it is not that near, to twice LibTorch's own error.
void expect_near(const std::string& what, const Case& found, const Expected& expected, double tolerance = 3e-6);

}  // namespace noema
