// Runtime calls: memory.
#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "tests/simt/core/fault.h"
#include "tests/simt/core/memory.h"
#include "tests/simt/core/runtime.h"
#include "tests/simt/core/stream.h"
#include "tests/simt/core/transfer.h"

using namespace simt::core;

namespace {

bool direction_fits(const void* destination, const void* source, cudaMemcpyKind kind) {
  switch (kind) {
    case cudaMemcpyHostToHost: return !is_device(destination) && !is_device(source);
    case cudaMemcpyHostToDevice: return is_device(destination) && !is_device(source);
    case cudaMemcpyDeviceToHost: return !is_device(destination) && is_device(source);
    case cudaMemcpyDeviceToDevice: return is_device(destination) && is_device(source);
    case cudaMemcpyDefault: return true;
  }
  return false;
}

/// Host memory that is not page-locked: the call itself reads or writes it.
bool is_pageable(const void* pointer) { return !is_device(pointer) && !is_pinned(reinterpret_cast<std::uintptr_t>(pointer)); }

/// A copy's work; its faults become the error of the next call that waits.
Work checked(std::function<void(std::uint32_t)> work) {
  return {[work = std::move(work)](std::uint32_t ordered) {
    const std::size_t before = faults().size();
    work(ordered);
    fail_later_if_faults_since(before);
  }};
}

Work copy_work(void* destination, const void* source, std::size_t bytes) {
  Work work = checked([=](std::uint32_t ordered) { copy_bytes(destination, source, bytes, ordered); });
  const auto to = reinterpret_cast<std::uintptr_t>(destination), from = reinterpret_cast<std::uintptr_t>(source);
  if (is_pinned(to)) {
    work.host = {to, bytes, true};
  } else if (is_pinned(from)) {
    work.host = {from, bytes, false};
  }
  return work;
}

}  // namespace

cudaError_t cudaMalloc(void** pointer, std::size_t bytes) {
  const DeviceLock lock(device_lock());
  if (const cudaError_t refused = refuse_in_capture(); refused != cudaSuccess) return refused;
  *pointer = nullptr;
  if (bytes == 0) return cudaSuccess;
  *pointer = allocate_device(bytes);
  return remember(*pointer ? cudaSuccess : cudaErrorMemoryAllocation);
}

cudaError_t cudaFree(void* pointer) {
  const DeviceLock lock(device_lock());
  if (!pointer) return cudaSuccess;
  if (const cudaError_t refused = refuse_in_capture(); refused != cudaSuccess) return refused;
  host_waits_for_all();
  if (!free_device(pointer)) return remember(cudaErrorInvalidValue);
  return remember(asynchronous_error());
}

cudaError_t cudaMallocAsync(void** pointer, std::size_t bytes, cudaStream_t handle) {
  const DeviceLock lock(device_lock());
  const Stream* stream = stream_of(handle);
  if (!stream) return remember(cudaErrorInvalidResourceHandle);
  if (stream->capture) return refuse_in_capture();
  *pointer = nullptr;
  if (bytes == 0) return cudaSuccess;
  *pointer = allocate_device(bytes);
  if (!*pointer) {  // what has been freed but not carried out yet may be enough
    run_all();
    *pointer = allocate_device(bytes);
  }
  return remember(*pointer ? cudaSuccess : cudaErrorMemoryAllocation);
}

cudaError_t cudaFreeAsync(void* pointer, cudaStream_t handle) {
  const DeviceLock lock(device_lock());
  Stream* stream = stream_of(handle);
  if (!stream) return remember(cudaErrorInvalidResourceHandle);
  if (!pointer) return cudaSuccess;
  if (stream->capture) return refuse_in_capture();
  return remember(enqueue(stream, checked([=](std::uint32_t) {
    if (!free_device(pointer)) report_fault("use after free: cudaFreeAsync of what is not an allocation");
  })));
}

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int) {
  *pool = nullptr;
  return cudaSuccess;
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) { return cudaSuccess; }
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, std::size_t) { return cudaSuccess; }

cudaError_t cudaMallocHost(void** pointer, std::size_t bytes) {
  const DeviceLock lock(device_lock());
  if (const cudaError_t refused = refuse_in_capture(); refused != cudaSuccess) return refused;
  *pointer = bytes ? allocate_pinned(bytes) : nullptr;
  return remember(*pointer || bytes == 0 ? cudaSuccess : cudaErrorMemoryAllocation);
}

cudaError_t cudaHostAlloc(void** pointer, std::size_t bytes, unsigned) { return cudaMallocHost(pointer, bytes); }

cudaError_t cudaFreeHost(void* pointer) {
  const DeviceLock lock(device_lock());
  if (!pointer) return cudaSuccess;
  if (const cudaError_t refused = refuse_in_capture(); refused != cudaSuccess) return refused;
  host_waits_for_all();
  return remember(free_pinned(pointer) ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaMemGetInfo(std::size_t* free_bytes, std::size_t* total_bytes) {
  const DeviceLock lock(device_lock());
  *total_bytes = device_bytes_total();
  *free_bytes = *total_bytes - std::min(device_bytes_used(), *total_bytes);
  return cudaSuccess;
}

cudaError_t cudaMemcpy(void* destination, const void* source, std::size_t bytes, cudaMemcpyKind kind) {
  const DeviceLock lock(device_lock());
  if (const cudaError_t refused = refuse_in_capture(); refused != cudaSuccess) return refused;
  if (bytes == 0) return cudaSuccess;
  if (!direction_fits(destination, source, kind)) return remember(cudaErrorInvalidMemcpyDirection);
  Stream* stream = stream_of(nullptr);
  if (const cudaError_t error = enqueue(stream, copy_work(destination, source, bytes)); error != cudaSuccess) return remember(error);
  host_waits_for(stream->clock);
  return remember(asynchronous_error());
}

cudaError_t cudaMemcpyAsync(void* destination, const void* source, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t handle) {
  const DeviceLock lock(device_lock());
  Stream* stream = stream_of(handle);
  if (!stream) return remember(cudaErrorInvalidResourceHandle);
  if (bytes == 0) return cudaSuccess;
  if (!direction_fits(destination, source, kind)) return remember(cudaErrorInvalidMemcpyDirection);
  const bool from_pageable = is_pageable(source), to_pageable = is_pageable(destination);
  if (stream->capture && (from_pageable || to_pageable)) {
    stream->capture->invalid = true;
    return remember(cudaErrorStreamCaptureUnsupported);
  }
  if (from_pageable && !to_pageable) {  // the call reads the source before it returns
    const auto* begin = static_cast<const char*>(source);
    const auto staged = std::make_shared<const std::vector<char>>(begin, begin + bytes);
    return remember(enqueue(stream, checked([=](std::uint32_t ordered) { copy_bytes(destination, staged->data(), bytes, ordered); })));
  }
  const cudaError_t error = enqueue(stream, copy_work(destination, source, bytes));
  if (error != cudaSuccess || !to_pageable) return remember(error);
  host_waits_for(stream->clock);  // the call fills the destination before it returns
  return remember(asynchronous_error());
}

cudaError_t cudaMemset(void* pointer, int value, std::size_t bytes) { return cudaMemsetAsync(pointer, value, bytes, nullptr); }

cudaError_t cudaMemsetAsync(void* pointer, int value, std::size_t bytes, cudaStream_t handle) {
  const DeviceLock lock(device_lock());
  Stream* stream = stream_of(handle);
  if (!stream) return remember(cudaErrorInvalidResourceHandle);
  if (bytes == 0) return cudaSuccess;
  if (is_pageable(pointer)) return remember(cudaErrorInvalidValue);
  return remember(enqueue(stream, checked([=](std::uint32_t ordered) { set_bytes(pointer, value, bytes, ordered); })));
}
