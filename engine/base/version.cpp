#include "engine/base/version.h"

namespace sepia {

std::string_view version() { return SEPIA_VERSION; }

}  // namespace sepia
