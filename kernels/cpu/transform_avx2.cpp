#define NOEMA_LANES 8
#include "noema/kernels/cpu/transform_loops.h"

namespace noema::cpu {

const TransformLoops& transform_loops_avx2() { return kTransformLoops; }

}  // namespace noema::cpu
