// The device's memory: one reserved stretch of addresses, so that the shadow of an address is a computation. Addresses are not
// used again before the whole stretch has been handed out once: a use after free is seen as one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace simt::core {

/// What lies at an address of the device's memory: the allocation that holds it or, if none does, the one that begins nearest
/// before it.
struct Place {
  std::uintptr_t begin = 0;
  std::size_t bytes = 0;
  unsigned number = 0;  ///< allocations are numbered from 1
  bool live = false, freed = false;
};
Place find_place(std::uintptr_t address);
/// The allocation that begins after `address`.
Place next_place(std::uintptr_t address);

/// Aligned to 256 bytes; null if the device's memory is full.
void* allocate_device(std::size_t bytes);
/// False if there is no such allocation.
bool free_device(void* pointer);
std::vector<Place> live_allocations();
std::size_t device_bytes_used();
std::size_t device_bytes_total();
void set_device_bytes_total(std::size_t bytes);

/// Makes [pointer, pointer + bytes) count as never written.
void forget_contents(std::uintptr_t address, std::size_t bytes);

/// Page-locked host memory.
void* allocate_pinned(std::size_t bytes);
bool free_pinned(void* pointer);
bool is_pinned(std::uintptr_t address);

bool is_device(const void* pointer);

}  // namespace simt::core
