// What the library's own ELF file tells: names of kernels, source lines, where each __shared__ variable lies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace simt::core {

/// A function of this library.
struct Function {
  std::string name;           ///< demangled, without namespaces, return type and parameters: "sum_rows<256>"
  std::uintptr_t begin = 0;   ///< 0 when the symbol table does not know it
  std::size_t bytes = 0;
};

/// The function that begins at `address`. Cached: the reference stays valid.
const Function& function_at(const void* address);

/// "path/file.cu:12" of a return address in this library: the innermost frame outside the emulator's headers, its path as short
/// as the compiler allows. Asks addr2line, once per address; call it outside kernels only.
std::string source_line(const void* return_address);

/// The calling thread's thread-local memory of this library.
struct StaticShared {
  std::uintptr_t begin = 0;
  std::size_t bytes = 0;
};
StaticShared static_shared();

/// Per 4-byte word of static_shared(): 1 where a __shared__ variable lies, 0 for guards and gaps.
const std::uint8_t* static_shared_map();

/// The __shared__ variable at `offset` into static_shared(), or the nearest one that begins before it: name, offset, size.
struct SharedVariable {
  std::string name;
  std::size_t begin = 0, bytes = 0;
};
SharedVariable shared_variable_at(std::size_t offset);

/// Whether `address` lies in the library's own image (constants and __device__ variables).
bool in_own_image(std::uintptr_t address);

}  // namespace simt::core
