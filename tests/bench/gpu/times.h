// How fast is the GPU's convolution?
#pragma once

namespace noema {

/// One line for each shape, layout and precision: name, method, ours and LibTorch's composition in microseconds a call,
/// their ratio (aimed at: 1), share of the limit that memory sets, share aimed at.
void print_times();

}  // namespace noema
