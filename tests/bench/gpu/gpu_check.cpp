// The long convolution on this machine's GPU: results against float64, then times beside LibTorch's composition of
// transforms. Exit status 77: there is no GPU.
#include <cuda_runtime_api.h>

#include <cstdio>
#include <exception>

#include "results.h"
#include "times.h"

int main() {
  constexpr int kSkipped = 77;
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::printf("skipped: there is no GPU here\n");
    return kSkipped;
  }
  try {
    const bool right = noema::results_are_right();
    std::printf("results and gradients: %s\n", right ? "right" : "WRONG");
    noema::print_times();
    return right ? 0 : 1;
  } catch (const std::exception& error) {
    std::printf("failed: %s\n", error.what());
    return 1;
  }
}
