#include "noema/tests/support/source_folder.h"

namespace noema {

std::string source_folder() { return NOEMA_SOURCE_DIR; }

}  // namespace noema
