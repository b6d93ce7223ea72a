#define NOEMA_LANES 16
#include "noema/kernels/cpu/transform_loops.h"

namespace noema::cpu {

const TransformLoops& transform_loops_avx512() { return kTransformLoops; }

}  // namespace noema::cpu
