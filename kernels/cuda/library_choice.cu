#include "kernels/cuda/library_choice.h"

#include <cmath>
#include <cstdlib>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/cuda/cudnn_convolution.h"
#include "kernels/cuda/detail/workspace.cuh"
#include "kernels/cuda/library.h"

namespace sepia::kernels::cuda {
namespace {

using detail::check;

/// Below this many multiply-adds the work is over before a library call has been set up.
constexpr std::int64_t kSmallest = kEmulated ? 1 : std::int64_t{1} << 24;

std::string_view setting() {
  const char* value = std::getenv("SEPIA_CUDA_LIBRARIES");
  return value ? value : "";
}

/// Device memory that is given back at the end of a scope; null where there is not so much.
class DeviceBlock {
 public:
  explicit DeviceBlock(std::size_t bytes) {
    if (cudaMalloc(&pointer_, bytes) == cudaSuccess) return;
    pointer_ = nullptr;
    cudaGetLastError();  // what could not be had is no failure of the next launch
  }
  ~DeviceBlock() { cudaFree(pointer_); }
  DeviceBlock(const DeviceBlock&) = delete;
  DeviceBlock& operator=(const DeviceBlock&) = delete;
  void* get() const { return pointer_; }

 private:
  void* pointer_ = nullptr;
};

/// max |ours - theirs| / max |ours|; infinite where one of them is not finite or ours is all zero, which proves nothing.
template <class Result>
double distance(const std::vector<Result>& ours, const std::vector<Result>& theirs) {
  double largest = 0, apart = 0;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const double a = static_cast<float>(ours[i]), b = static_cast<float>(theirs[i]);
    if (!std::isfinite(a) || !std::isfinite(b)) return HUGE_VAL;
    largest = std::max(largest, std::abs(a));
    apart = std::max(apart, std::abs(a - b));
  }
  return largest > 0 ? apart / largest : HUGE_VAL;
}

/// t of the rule.
double tolerance(const LibraryWork& work) {
  if (work.result_type == DType::kBF16) return 8e-3;
  if (work.operand_type == DType::kBF16) return 1e-3;
  return std::min(1e-6 + 2e-7 * std::sqrt(static_cast<double>(work.terms)), 1e-4);
}

/// Milliseconds of `work` on the stream, the least of three runs.
double time_of(cudaStream_t stream, const std::function<void()>& work) {
  cudaEvent_t begin, end;
  check(cudaEventCreate(&begin), "cudaEventCreate");
  check(cudaEventCreate(&end), "cudaEventCreate");
  float best = HUGE_VALF;
  for (int i = 0; i < 3; ++i) {
    float elapsed = 0;
    check(cudaEventRecord(begin, stream), "cudaEventRecord");
    work();
    check(cudaEventRecord(end, stream), "cudaEventRecord");
    check(cudaEventSynchronize(end), "cudaEventSynchronize");
    check(cudaEventElapsedTime(&elapsed, begin, end), "cudaEventElapsedTime");
    best = std::min(best, elapsed);
  }
  check(cudaEventDestroy(begin), "cudaEventDestroy");
  check(cudaEventDestroy(end), "cudaEventDestroy");
  return best;
}

/// Work on trial. What ours computes goes into the result's memory, which has its old contents back at the end where they are added to.
class Trial {
 public:
  Trial(cudaStream_t stream, const LibraryWork& work, const std::function<void()>& ours, const std::function<bool(void*)>& theirs)
      : stream_(stream), work_(work), ours_(ours), theirs_(theirs), bytes_(static_cast<std::size_t>(work.count) * (work.result_type == DType::kBF16 ? sizeof(bf16) : sizeof(float))),
        before_(work.accumulate == Accumulate::kAdd ? bytes_ : 1), other_(bytes_) {}

  /// Whether the library may have the work.
  bool passed() {
    if (!before_.get() || !other_.get()) return false;  // no memory to compare in
    const bool adds = work_.accumulate == Accumulate::kAdd;
    if (adds) copy(before_.get(), work_.result);
    const bool good = agrees() && (setting() != "fastest" || faster());
    if (adds) copy(work_.result, before_.get());
    return good;
  }

 private:
  bool agrees() {
    if (work_.accumulate == Accumulate::kWrite) return agrees_over(0xff);
    return agrees_over(0x00) && agrees_over(0x3f);
  }

  /// Whether both compute the same into memory whose bytes were all `filling`: in float and bf16 0xff is NaN, 0x3f about 0.75.
  bool agrees_over(int filling) {
    fill(other_.get(), filling);
    if (!theirs_(other_.get())) return false;
    fill(work_.result, filling);
    ours_();
    const double apart = work_.result_type == DType::kBF16 ? distance(download<bf16>(work_.result), download<bf16>(other_.get()))
                                                           : distance(download<float>(work_.result), download<float>(other_.get()));
    return apart <= tolerance(work_);
  }

  bool faster() {
    const double our_time = time_of(stream_, ours_);
    return time_of(stream_, [this] { theirs_(other_.get()); }) < our_time;
  }

  void fill(void* memory, int byte) { check(cudaMemsetAsync(memory, byte, bytes_, stream_), "filling memory"); }
  void copy(void* to, const void* from) { check(cudaMemcpyAsync(to, from, bytes_, cudaMemcpyDeviceToDevice, stream_), "copy on the device"); }
  template <class Result>
  std::vector<Result> download(const void* device) {
    std::vector<Result> host(static_cast<std::size_t>(work_.count));
    check(cudaMemcpyAsync(host.data(), device, bytes_, cudaMemcpyDeviceToHost, stream_), "copy from the device");
    check(cudaStreamSynchronize(stream_), "waiting for the device");
    return host;
  }

  cudaStream_t stream_;
  const LibraryWork& work_;
  const std::function<void()>& ours_;
  const std::function<bool(void*)>& theirs_;
  std::size_t bytes_;
  DeviceBlock before_, other_;
};

}  // namespace

bool libraries_wanted(std::int64_t multiply_adds) { return multiply_adds >= kSmallest && setting() != "off"; }

void compute_by_choice(const LaunchContext& context, const LibraryWork& work, const std::function<bool()>& found,
                       const std::function<void()>& ours, const std::function<bool(void* result)>& theirs) {
  thread_local std::map<WorkKey, bool> choices;  // true: the library's
  auto choice = choices.find(work.key);
  if (choice == choices.end()) {
    const cudaStream_t stream = detail::stream_of(context);
    cudaStreamCaptureStatus capturing = cudaStreamCaptureStatusNone;
    check(cudaStreamIsCapturing(stream, &capturing), "cudaStreamIsCapturing");
    if (capturing != cudaStreamCaptureStatusNone || !found()) return ours();
    choice = choices.emplace(work.key, Trial(stream, work, ours, theirs).passed()).first;
  }
  if (!choice->second || !found()) return ours();
  SEPIA_CHECK_KIND(theirs(work.result), ErrorKind::kInternal, "[cuda] ", work.name, " refused what it has done before");
}

void* library_workspace(const LaunchContext& context, std::size_t bytes) {
  try {
    return detail::scratch_bytes(context, std::max<std::size_t>(bytes, 1));
  } catch (const Error&) {
    cudaGetLastError();  // what could not be had is no failure of the next launch
    return nullptr;
  }
}

std::string describe_libraries() { return kEmulated ? "emulated" : str(describe_cublaslt(), ", ", describe_cudnn()); }

#ifdef SEPIA_SIMT

const StandIn* stand_in() {
  static const std::map<std::string_view, StandIn> kinds = {{"plain", {}},
                                                            {"close", {.factor = 1.0f + 0x1p-21f}},
                                                            {"tf32", {.factor = 1.0f + 0x1p-11f}},
                                                            {"wrong", {.factor = 1.5f}},
                                                            {"overwrites", {.adds = false}},
                                                            {"gathers", {.writes = false}},
                                                            {"unfinished", {.left_out = 1}},
                                                            {"refuses", {.refuses = true}}};
  const auto found = kinds.find(setting());
  return found == kinds.end() ? nullptr : &found->second;
}

#endif

}  // namespace sepia::kernels::cuda
