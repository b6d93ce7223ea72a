#define NOEMA_LANES 16
#include "noema/kernels/cpu/direct_loops.h"
#include "noema/kernels/cpu/row_loops.h"
#include "noema/kernels/cpu/transform_loops.h"

namespace noema::cpu {

const Loops& loops_avx512() {
  static constexpr Loops kLoops = {kTransformLoops, kDirectLoops, kRowLoops};
  return kLoops;
}

}  // namespace noema::cpu
