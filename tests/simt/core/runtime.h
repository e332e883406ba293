// What the runtime calls share: one lock, and the error that the next call gives back.
#pragma once

#include <cstddef>
#include <mutex>

#include "tests/simt/include/simt/runtime_api.h"

namespace simt::core {

/// The whole emulator runs under this lock; runtime calls take it, and the work they run holds it. Recursive, because host
/// functions in a stream's queue may be anything.
std::recursive_mutex& device_lock();
using DeviceLock = std::lock_guard<std::recursive_mutex>;

/// Remembers `error` for cudaGetLastError and gives it back.
cudaError_t remember(cudaError_t error);
/// Faults past the first `before` are an error of work that ran asynchronously: the next call that waits gives it back, and
/// cudaGetErrorString tells the first of them.
void fail_later_if_faults_since(std::size_t before);
/// That error, if there is one, then forgotten.
cudaError_t asynchronous_error();
/// For calls that are not allowed while a stream records: invalidates the captures and gives back the error; else success.
cudaError_t refuse_in_capture();
/// Forgets errors, for simt_control()->reset.
void forget_errors();

}  // namespace simt::core
