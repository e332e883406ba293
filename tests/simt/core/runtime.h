// What the runtime calls share: one lock, and the error that the next call gives back.
#pragma once

#include <mutex>

#include "tests/simt/include/simt/runtime_api.h"

namespace simt::core {

/// The whole emulator runs under this lock; runtime calls take it, and the work they run holds it. Recursive, because host
/// functions in a stream's queue may be anything.
std::recursive_mutex& device_lock();
using DeviceLock = std::lock_guard<std::recursive_mutex>;

/// Remembers `error` for cudaGetLastError and gives it back.
cudaError_t remember(cudaError_t error);
/// An error of work that ran asynchronously: the next call that waits gives it back.
void fail_later(cudaError_t error);
/// That error, if there is one, then forgotten.
cudaError_t asynchronous_error();
/// For calls that are not allowed while a stream records: invalidates the captures and gives back the error; else success.
cudaError_t refuse_in_capture();
/// Forgets errors, for simt_control()->reset.
void forget_errors();

}  // namespace simt::core
