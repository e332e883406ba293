#include "tests/simt/core/counters.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>
#include <vector>

#include "tests/simt/core/access.h"
#include "tests/simt/core/block.h"
#include "tests/simt/core/forever.h"
#include "tests/simt/include/simt/device.h"

namespace simt::core {
namespace {

struct Logged {
  const void* code;
  std::uintptr_t address;
  std::uint8_t bytes;
  Access access;
  Space space;
};

/// One instruction of a warp: what each lane that takes part asks for.
struct Request {
  std::uintptr_t address[kWarpSize];
  unsigned lanes = 0;
  std::uint8_t bytes = 0;
  Access access{};
  Space space{};
};

struct State {
  std::vector<std::vector<Logged>> logs{kMostThreads};  ///< by thread
  std::vector<SimtKernelCounters> kernels;
  std::unordered_map<std::string, std::size_t> places;  ///< in kernels, by name
};
Forever<State> state;
auto& [logs, kernels, places] = state.get();
SimtKernelCounters* now = nullptr;

/// The distinct values among the first n; returns how many there are. n <= 64.
std::size_t distinct(std::uintptr_t* values, std::size_t n) {
  std::sort(values, values + n);
  return static_cast<std::size_t>(std::unique(values, values + n) - values);
}

void count_global(const Request& request) {
  std::uintptr_t starts[kWarpSize], sectors[2 * kWarpSize];
  std::size_t n = 0;
  for (unsigned l = 0; l < kWarpSize; ++l) {
    if (request.lanes >> l & 1u) starts[n++] = request.address[l];
  }
  if (request.access == Access::kAtomic) {
    now->atomic_bytes += n * request.bytes;
    return;
  }
  for (std::size_t i = 0; i < n; ++i) sectors[i] = starts[i] / 32;  // aligned accesses of at most 16 bytes stay in one sector
  const std::uint64_t bytes = distinct(starts, n) * request.bytes, touched = distinct(sectors, n);
  (request.access == Access::kRead ? now->load_bytes : now->store_bytes) += bytes;
  (request.access == Access::kRead ? now->load_sectors : now->store_sectors) += touched;
}

/// 32 banks of 4 bytes. Accesses of 8 bytes go half a warp at a time, of 16 a quarter. Within such a group a bank gives one word
/// per wavefront to all lanes that ask for it.
void count_shared(const Request& request) {
  ++now->shared_requests;
  const unsigned group = request.bytes <= 4 ? kWarpSize : kWarpSize * 4 / request.bytes;
  for (unsigned first = 0; first < kWarpSize; first += group) {
    std::uintptr_t words[kWarpSize];
    std::size_t n = 0;
    for (unsigned l = first; l < first + group; ++l) {
      if (!(request.lanes >> l & 1u)) continue;
      for (unsigned byte = 0; byte < std::max<unsigned>(request.bytes, 4); byte += 4) words[n++] = (request.address[l] + byte) / 4;
    }
    if (n == 0) continue;
    n = distinct(words, n);
    unsigned per_bank[32] = {}, most = 0;
    for (std::size_t i = 0; i < n; ++i) most = std::max(most, ++per_bank[words[i] % 32]);
    now->shared_wavefronts += most;
    now->bank_conflicts += most - 1;
  }
}

void count_warp(unsigned first_thread) {
  static std::unordered_map<const void*, std::size_t> instructions;
  static std::vector<std::vector<Request>> requests;  // per instruction, in the order of execution
  static std::vector<std::uint32_t> executions;
  instructions.clear();
  for (auto& list : requests) list.clear();
  for (unsigned l = 0; l < kWarpSize; ++l) {
    std::vector<Logged>& log = logs[first_thread + l];
    std::fill(executions.begin(), executions.end(), 0u);
    for (const Logged& entry : log) {
      const std::size_t place = instructions.try_emplace(entry.code, instructions.size()).first->second;
      if (place >= requests.size()) requests.emplace_back();
      if (place >= executions.size()) executions.resize(requests.size(), 0);
      const std::size_t execution = executions[place]++;
      if (execution >= requests[place].size()) requests[place].emplace_back();
      Request& request = requests[place][execution];
      request.address[l] = entry.address;
      request.lanes |= 1u << l;
      request.bytes = entry.bytes;
      request.access = entry.access;
      request.space = entry.space;
    }
    log.clear();
  }
  for (std::size_t place = 0; place < instructions.size(); ++place) {
    for (const Request& request : requests[place]) {
      if (request.space == Space::kGlobal) count_global(request);
      if (request.space == Space::kShared) count_shared(request);
    }
  }
}

}  // namespace

void count_access(Space space, const AccessSite& site) {
  logs[machine.current->linear].push_back({site.code, site.address, static_cast<std::uint8_t>(site.bytes), site.access, space});
}

void count_launch(const std::string& kernel, std::uint64_t blocks, std::uint64_t block_threads, std::uint64_t dynamic_shared_bytes) {
  const auto [entry, fresh] = places.try_emplace(kernel, kernels.size());
  if (fresh) {
    kernels.emplace_back();
    std::strncpy(kernels.back().kernel, kernel.c_str(), sizeof kernels.back().kernel - 1);
  }
  now = &kernels[entry->second];
  ++now->launches;
  now->threads += blocks * block_threads;
  now->blocks += blocks;
  now->dynamic_shared_bytes = std::max(now->dynamic_shared_bytes, dynamic_shared_bytes);
  for (auto& log : logs) log.clear();
}

void count_interval() {
  for (unsigned first = 0; first < machine.block_threads; first += kWarpSize) count_warp(first);
}

void count_barrier() { ++now->barriers; }
void count_warp_barrier() { ++now->warp_barriers; }
void count_flops(std::uint64_t flops) { now->mma += flops; }

std::size_t read_counters(SimtKernelCounters* out, std::size_t capacity) {
  std::copy_n(kernels.begin(), std::min(capacity, kernels.size()), out);
  return kernels.size();
}

void clear_counters() {
  kernels.clear();
  places.clear();
  now = nullptr;
}

}  // namespace simt::core

namespace simt {

void count_mma(unsigned long long flops) {
  if (core::running.counting) core::count_flops(flops);
}

}  // namespace simt
