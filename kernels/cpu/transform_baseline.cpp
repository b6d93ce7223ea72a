#define NOEMA_LANES 4
#include "noema/kernels/cpu/transform_loops.h"

namespace noema::cpu {

const TransformLoops& transform_loops_baseline() { return kTransformLoops; }

}  // namespace noema::cpu
