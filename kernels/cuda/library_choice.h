// What the two libraries share: opening, memory to work in, and the rule by which one of them gets a piece of work.
//
// The rule. Work of a kind (its key) is looked at once per host thread, outside graph capture. Both compute it, into memory filled
// beforehand: with NaN where the result is written, with zeros and then with 0.75 where it is added to. The library gets the work when
//
//     max |ours - theirs|  <=  t max |ours|      on each of them, with all of ours finite and not all zero, and
//
//     t = 8e-3                                   for a bf16 result: two units in the last place of the largest element
//         1e-3                                   for a float result of bf16 operands: other orders of float sums, cut off by tensor cores
//         min(1e-6 + 2e-7 sqrt(n), 1e-4)         for float throughout, n terms per sum; TF32 is some 3e-4 off
//
// The winner's result is the one that stays, from the first call on, so that a run that is resumed goes on with the same bits.
// Time does not decide (but see SEPIA_CUDA_LIBRARIES=fastest): it would not come out the same on every run.
// While a graph is recorded nothing is compared, opened or allocated: what is not known yet is ours in that graph.
#pragma once

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <functional>
#include <string>
#include <tuple>
#include <type_traits>

#include "engine/base/dtype.h"
#include "kernels/cuda/detail/launch.cuh"

namespace sepia::kernels::cuda {

enum class WorkKind : std::uint8_t { kProduct, kConvolution };

/// All on which the algorithm of a library may depend: kind of work, shape, types, alignments. Made by work_key().
using WorkKey = std::array<std::int64_t, 20>;

template <class... Facts>
WorkKey work_key(Facts... facts) {
  static_assert(sizeof...(Facts) <= std::tuple_size_v<WorkKey>);
  return {static_cast<std::int64_t>(facts)...};
}

/// The largest power of two up to 16 that divides the address: all that a library is told of where an array lies.
inline std::int64_t alignment_of(const void* pointer) {
  const auto address = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(pointer) | 16);
  return address & -address;
}

/// A piece of work that a library may do.
struct LibraryWork {
  const char* name;  ///< for messages
  WorkKey key;
  std::int64_t terms;  ///< of the sum behind one element of the result
  void* result;
  std::int64_t count;  ///< elements of the result
  DType operand_type, result_type;
  Accumulate accumulate;
};

/// Whether a library may be asked at all: not switched off, and more work than setting up a call.
bool libraries_wanted(std::int64_t multiply_adds);

/// Does the work by `ours` or by `theirs`, which computes into the memory it is given and says false when it cannot. `found` opens the
/// library and says whether it is there. Raises Error(kInternal) when a CUDA call fails, or the library refuses what it did before.
void compute_by_choice(const LaunchContext& context, const LibraryWork& work, const std::function<bool()>& found,
                       const std::function<void()>& ours, const std::function<bool(void* result)>& theirs);

/// Most memory that a library is given to work in.
inline constexpr std::size_t kLibraryWorkspace = std::size_t{256} << 20;
/// `bytes` bytes of it, which the kernels on the context's stream share (detail/workspace.cuh); null where there is not so much.
void* library_workspace(const LaunchContext& context, std::size_t bytes);

/// "cuBLASLt 13.1.0", or why there is none.
std::string describe_cublaslt();

/// A shared library, opened when it is there. Never closed: captured graphs may hold its kernels.
class SharedLibrary {
 public:
  explicit SharedLibrary(const std::string& name) : handle_(dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)) {}

  /// Looks up a function; false when it is not there, as without a library.
  template <class Function>
  bool find(Function& function, const char* name) const {
    function = reinterpret_cast<std::decay_t<Function>>(handle_ ? dlsym(handle_, name) : nullptr);
    return function != nullptr;
  }

 private:
  void* handle_;
};

#ifdef SEPIA_SIMT
constexpr bool kEmulated = true;

/// In the emulator a plain kernel stands for a library, so that the choice is tested. SEPIA_CUDA_LIBRARIES says what it is like; without
/// the variable there is no library.
struct StandIn {
  float factor = 1.0f;        ///< wrong: 1.5 times the result; tf32: 1 + 2^-11 times; close: 1 + 2^-21 times, other bits within the rule
  bool adds = true;           ///< overwrites: not where it should
  bool writes = true;         ///< gathers: adds where it should overwrite
  std::int64_t left_out = 0;  ///< unfinished: the last element of the result is not computed
  bool refuses = false;       ///< refuses: takes no work

  Accumulate mode(Accumulate asked) const { return (asked == Accumulate::kAdd ? adds : !writes) ? Accumulate::kAdd : Accumulate::kWrite; }
};
/// The one that the variable names (plain, close, tf32, wrong, overwrites, gathers, unfinished, refuses), or null.
const StandIn* stand_in();
#else
constexpr bool kEmulated = false;
#endif

}  // namespace sepia::kernels::cuda
