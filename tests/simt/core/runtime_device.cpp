// Runtime calls: the device, errors, kernels.
#include <algorithm>
#include <cstring>
#include <iterator>
#include <map>

#include "tests/simt/core/block.h"
#include "tests/simt/core/fault.h"
#include "tests/simt/core/forever.h"
#include "tests/simt/core/memory.h"
#include "tests/simt/core/runtime.h"
#include "tests/simt/core/stream.h"
#include "tests/simt/core/symbols.h"
#include "tests/simt/include/simt/launch.h"

namespace simt::core {
namespace {

cudaError_t last_error = cudaSuccess;
cudaError_t later_error = cudaSuccess;
struct State {
  std::string fault_text;  ///< of later_error, for cudaGetErrorString
  std::map<const void*, std::size_t> dynamic_limits;
};
Forever<State> state;
auto& [fault_text, dynamic_limits] = state.get();

constexpr std::size_t kSharedByDefault = 48 * 1024, kSharedAtMost = 227 * 1024;

struct Named {
  cudaError_t error;
  const char* name;
  const char* text;
};
constexpr Named kErrors[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInitializationError, "cudaErrorInitializationError", "initialization error"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
    {cudaErrorInvalidMemcpyDirection, "cudaErrorInvalidMemcpyDirection", "invalid copy direction for memcpy"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress", "an illegal memory access was encountered"},
    {cudaErrorMisalignedAddress, "cudaErrorMisalignedAddress", "misaligned address"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported", "operation not permitted when stream is capturing"},
    {cudaErrorStreamCaptureInvalidated, "cudaErrorStreamCaptureInvalidated", "operation failed due to a previous error during capture"},
    {cudaErrorStreamCaptureMerge, "cudaErrorStreamCaptureMerge", "operation would result in a merge of separate capture sequences"},
    {cudaErrorStreamCaptureUnmatched, "cudaErrorStreamCaptureUnmatched", "capture was not ended in the same stream as it began"},
    {cudaErrorStreamCaptureUnjoined, "cudaErrorStreamCaptureUnjoined", "capturing stream has unjoined work"},
    {cudaErrorStreamCaptureIsolation, "cudaErrorStreamCaptureIsolation", "dependency created on uncaptured work in another stream"},
    {cudaErrorStreamCaptureImplicit, "cudaErrorStreamCaptureImplicit",
     "operation would make the legacy stream depend on a capturing blocking stream"},
    {cudaErrorCapturedEvent, "cudaErrorCapturedEvent", "operation not permitted on an event last recorded in a capturing stream"},
};

const Named* find_error(cudaError_t error) {
  const auto found = std::find_if(std::begin(kErrors), std::end(kErrors), [error](const Named& e) { return e.error == error; });
  return found == std::end(kErrors) ? nullptr : found;
}

/// Runs the launch and turns its faults into the error that the next call gives back.
void carry_out(const Launch& launch, std::uint32_t ordered) {
  const std::size_t before = faults().size();
  run_kernel(launch, ordered);
  finish_faults();
  fail_later_if_faults_since(before);
}

bool configuration_is_valid(dim3 grid, dim3 block) {
  const auto within = [](unsigned value, unsigned most) { return value >= 1 && value <= most; };
  return within(grid.x, 0x7fffffffu) && within(grid.y, 65535) && within(grid.z, 65535) && within(block.x, 1024) && within(block.y, 1024) &&
         within(block.z, 64) && block.x * block.y * block.z <= kMostThreads;
}

}  // namespace

std::recursive_mutex& device_lock() {
  static auto* const lock = new std::recursive_mutex;
  return *lock;
}

cudaError_t remember(cudaError_t error) {
  if (error != cudaSuccess && error != cudaErrorNotReady) last_error = error;
  return error;
}

void fail_later_if_faults_since(std::size_t before) {
  if (faults().size() <= before || later_error != cudaSuccess) return;
  later_error = cudaErrorLaunchFailure;
  fault_text = "unspecified launch failure; the emulator saw: " + faults()[before];
}

cudaError_t asynchronous_error() {
  const cudaError_t error = later_error;
  if (error != cudaSuccess) faults_are_told();
  later_error = cudaSuccess;
  return error;
}

cudaError_t refuse_in_capture() {
  if (!capture_forbids_unsafe_calls()) return cudaSuccess;
  invalidate_captures();
  return remember(cudaErrorStreamCaptureUnsupported);
}

void forget_errors() { last_error = later_error = cudaSuccess; }

}  // namespace simt::core

namespace simt {

using namespace core;

cudaError_t launch(const void* kernel, dim3 grid, dim3 block, std::size_t shared_bytes, cudaStream_t handle, std::function<void()> body) {
  const DeviceLock lock(device_lock());
  Stream* stream = stream_of(handle);
  if (!stream) return remember(cudaErrorInvalidResourceHandle);
  if (!configuration_is_valid(grid, block)) return remember(cudaErrorInvalidConfiguration);
  const auto limit = dynamic_limits.find(kernel);
  if (shared_bytes > (limit == dynamic_limits.end() ? kSharedByDefault : limit->second)) return remember(cudaErrorInvalidValue);
  const Launch launch{kernel, grid, block, shared_bytes, std::move(body)};
  return remember(enqueue(stream, {[launch](std::uint32_t ordered) { carry_out(launch, ordered); }}));
}

void forget(void* pointer, std::size_t bytes) {
  const DeviceLock lock(device_lock());
  host_waits_for_all();
  forget_contents(reinterpret_cast<std::uintptr_t>(pointer), bytes);
}

}  // namespace simt

using namespace simt::core;

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  const DeviceLock lock(device_lock());
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
  if (value < 0 || static_cast<std::size_t>(value) > kSharedAtMost) return remember(cudaErrorInvalidValue);
  dynamic_limits[kernel] = static_cast<std::size_t>(value);
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) { return device == 0 ? cudaSuccess : remember(cudaErrorInvalidDevice); }
cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 12000;
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) { return cudaRuntimeGetVersion(version); }

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device != 0) return remember(cudaErrorInvalidDevice);
  *properties = {};
  std::strncpy(properties->name, "sepia SIMT emulator", sizeof properties->name - 1);
  properties->totalGlobalMem = device_bytes_total();
  properties->sharedMemPerBlock = kSharedByDefault;
  properties->sharedMemPerBlockOptin = kSharedAtMost;
  properties->sharedMemPerMultiprocessor = 228 * 1024;
  properties->regsPerBlock = 65536;
  properties->warpSize = 32;
  properties->maxThreadsPerBlock = 1024;
  const int threads[] = {1024, 1024, 64}, grid[] = {0x7fffffff, 65535, 65535};
  std::copy_n(threads, 3, properties->maxThreadsDim);
  std::copy_n(grid, 3, properties->maxGridSize);
  properties->major = 9;
  properties->multiProcessorCount = 132;
  properties->maxThreadsPerMultiProcessor = 2048;
  properties->l2CacheSize = 50 << 20;
  properties->memoryBusWidth = 5120;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  if (device != 0) return remember(cudaErrorInvalidDevice);
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock: *value = 1024; break;
    case cudaDevAttrMaxSharedMemoryPerBlock: *value = kSharedByDefault; break;
    case cudaDevAttrWarpSize: *value = 32; break;
    case cudaDevAttrMaxRegistersPerBlock: *value = 65536; break;
    case cudaDevAttrClockRate: *value = 1980000; break;
    case cudaDevAttrMultiProcessorCount: *value = 132; break;
    case cudaDevAttrMemoryClockRate: *value = 2619000; break;
    case cudaDevAttrGlobalMemoryBusWidth: *value = 5120; break;
    case cudaDevAttrL2CacheSize: *value = 50 << 20; break;
    case cudaDevAttrMaxThreadsPerMultiProcessor: *value = 2048; break;
    case cudaDevAttrComputeCapabilityMajor: *value = 9; break;
    case cudaDevAttrComputeCapabilityMinor: *value = 0; break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor: *value = 228 * 1024; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = kSharedAtMost; break;
    default: return remember(cudaErrorInvalidValue);
  }
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize() {
  const DeviceLock lock(device_lock());
  if (const cudaError_t refused = refuse_in_capture(); refused != cudaSuccess) return refused;
  host_waits_for_all();
  return remember(asynchronous_error());
}

cudaError_t cudaDeviceReset() {
  const cudaError_t waited = cudaDeviceSynchronize();
  const DeviceLock lock(device_lock());
  for (const Place& place : live_allocations()) {
    report_fault("leak: allocation " + std::to_string(place.number) + " of " + std::to_string(place.bytes) + " bytes was never freed");
    free_device(reinterpret_cast<void*>(place.begin));
  }
  return waited;
}

cudaError_t cudaGetLastError() {
  const DeviceLock lock(device_lock());
  cudaError_t error = last_error;
  if (error == cudaSuccess) error = asynchronous_error();
  last_error = cudaSuccess;
  return error;
}

cudaError_t cudaPeekAtLastError() {
  const DeviceLock lock(device_lock());
  return last_error != cudaSuccess ? last_error : later_error;
}

const char* cudaGetErrorString(cudaError_t error) {
  if (error == cudaErrorLaunchFailure && !fault_text.empty()) return fault_text.c_str();
  const Named* found = find_error(error);
  return found ? found->text : "unrecognized error code";
}

const char* cudaGetErrorName(cudaError_t error) {
  const Named* found = find_error(error);
  return found ? found->name : "unrecognized error code";
}
