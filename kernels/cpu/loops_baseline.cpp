#define NOEMA_LANES 4
#include "noema/kernels/cpu/direct_loops.h"
#include "noema/kernels/cpu/row_loops.h"
#include "noema/kernels/cpu/transform_loops.h"

namespace noema::cpu {

const Loops& loops_baseline() {
  static constexpr Loops kLoops = {kTransformLoops, kDirectLoops, kRowLoops};
  return kLoops;
}

}  // namespace noema::cpu
