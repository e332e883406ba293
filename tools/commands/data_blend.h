// sepia data blend.
#pragma once

#include "tools/cli/session.h"

namespace sepia::cli {

/// Adds `blend` to `sepia data`.
void add_data_blend_command(CLI::App& data, Session& session);

}  // namespace sepia::cli
