// The functions that `-fsanitize=thread` makes the compiler call before every load and store. They are the sanitizer's names;
// here they feed the emulator's checks. Code of the host passes through at the cost of one comparison.
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "tests/simt/core/access.h"
#include "tests/simt/core/block.h"

using simt::core::Access;
using simt::core::in_kernel;
using simt::core::on_access;
using simt::core::on_range;

extern "C" {

// The compiler calls the "unaligned" form where the type's own alignment is less than its width (a struct of two floats): on a
// GPU such a copy is made in pieces of at most 4 bytes.
#define SIMT_HOOKS(bytes)                                                                                                     \
  void __tsan_read##bytes(void* p) {                                                                                          \
    if (in_kernel()) on_access<Access::kRead, bytes>(p, __builtin_return_address(0));                                         \
  }                                                                                                                           \
  void __tsan_write##bytes(void* p) {                                                                                         \
    if (in_kernel()) on_access<Access::kWrite, bytes>(p, __builtin_return_address(0));                                        \
  }                                                                                                                           \
  void __tsan_unaligned_read##bytes(void* p) {                                                                                \
    if (in_kernel()) on_range<Access::kRead>(p, bytes, 4, __builtin_return_address(0));                                       \
  }                                                                                                                           \
  void __tsan_unaligned_write##bytes(void* p) {                                                                               \
    if (in_kernel()) on_range<Access::kWrite>(p, bytes, 4, __builtin_return_address(0));                                      \
  }                                                                                                                           \
  void __tsan_volatile_read##bytes(void* p) { __tsan_read##bytes(p); }                                                        \
  void __tsan_volatile_write##bytes(void* p) { __tsan_write##bytes(p); }                                                      \
  void __tsan_unaligned_volatile_read##bytes(void* p) { __tsan_unaligned_read##bytes(p); }                                    \
  void __tsan_unaligned_volatile_write##bytes(void* p) { __tsan_unaligned_write##bytes(p); }
SIMT_HOOKS(1)
SIMT_HOOKS(2)
SIMT_HOOKS(4)
SIMT_HOOKS(8)
SIMT_HOOKS(16)
#undef SIMT_HOOKS

// Called for sizes that are no power of two, and for structs of up to 16 bytes that are aligned to 4 at most: these are copied in
// pieces of 4.
void __tsan_read_range(void* p, std::size_t bytes) {
  if (in_kernel()) on_range<Access::kRead>(p, bytes, bytes <= 16 ? 4 : 16, __builtin_return_address(0));
}
void __tsan_write_range(void* p, std::size_t bytes) {
  if (in_kernel()) on_range<Access::kWrite>(p, bytes, bytes <= 16 ? 4 : 16, __builtin_return_address(0));
}
void __tsan_vptr_read(void*) {}
void __tsan_vptr_update(void*, void*) {}
void __tsan_init() {}
void __tsan_func_exit() {}

/// The kernel's own code begins where its first function entry lies inside it: from there on host memory is out of reach.
void __tsan_func_entry(void*) {
  if (!in_kernel()) return;
  auto& machine = simt::core::machine;
  if (machine.current->entered) return;
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_return_address(0));
  if (here - machine.kernel_begin < machine.kernel_bytes) machine.current->entered = true;
}

// memcpy and its kin where the compiler leaves them as calls: language.h gives them these names in instrumented code.
void* simt_memcpy(void* destination, const void* source, std::size_t bytes) {
  if (in_kernel()) {
    on_range<Access::kRead>(source, bytes, 16, __builtin_return_address(0));
    on_range<Access::kWrite>(destination, bytes, 16, __builtin_return_address(0));
  }
  return std::memcpy(destination, source, bytes);
}
void* simt_memmove(void* destination, const void* source, std::size_t bytes) {
  if (in_kernel()) {
    on_range<Access::kRead>(source, bytes, 16, __builtin_return_address(0));
    on_range<Access::kWrite>(destination, bytes, 16, __builtin_return_address(0));
  }
  return std::memmove(destination, source, bytes);
}
void* simt_memset(void* destination, int value, std::size_t bytes) {
  if (in_kernel()) on_range<Access::kWrite>(destination, bytes, 16, __builtin_return_address(0));
  return std::memset(destination, value, bytes);
}

}  // extern "C"
