// What a .cu file sees when it is compiled for the emulator: CUDA's words, its built-in functions and its runtime calls.
// docs/simt.md tells how to compile with it.
#pragma once

#include "simt/atomics.h"
#include "simt/device.h"
#include "simt/intrinsics.h"
#include "simt/language.h"
#include "simt/launch.h"
#include "simt/runtime_api.h"
#include "simt/vector_types.h"
#include "simt/warp.h"
