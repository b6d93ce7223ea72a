// Are results and gradients on the GPU right?
#pragma once

namespace noema {

/// Prints what is wrong. Results and gradients in float32 are held to 3e-6 of the rms of those in float64, or twice the
/// error of LibTorch where that is larger, results in bf16x3 to 3e-5 and in bf16 to 2e-2; on all lengths that a kernel
/// begins or ends to serve, few and many items, both layouts, one and both sides, and with an offset of 1,000. A sample
/// must not reach back in time, and what is computed twice must be the same bit for bit.
bool results_are_right();

}  // namespace noema
