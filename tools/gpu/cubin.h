// What the compiler made of the CUDA kernels, read from the library itself: registers, stack, shared memory and the memory and
// tensor-core instructions of every kernel, for every architecture that it was built for. No tool of the CUDA toolkit is needed.
//
// A library made by nvcc holds, in its section .nv_fatbin, one ELF file (a cubin) per source file and architecture. There a kernel is
// a section .text.NAME of 16-byte instructions; .nv.info has its registers and stack, .nv.shared.NAME the size of its static shared
// memory. The numbers agree with `cuobjdump --dump-resource-usage` and `cuobjdump -sass`; the format is as the tools of CUDA 11 to 13
// show it, for sm_70 and later.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace sepia::gpu {

struct KernelFacts {
  std::string file;  ///< "batch_norm.cu"; empty for a kernel outside an unnamed namespace, which several files may have
  std::string name;  ///< "backward_input_kernel<4, true, bf16>": without the library's namespaces and without arguments
  int architecture = 0;  ///< 80: sm_80
  int registers = 0;     ///< per thread
  int stack_bytes = 0;   ///< per thread: local arrays and spilled registers
  int shared_bytes = 0;  ///< static, per block
  int instructions = 0;

  // How many instructions of a kind, counted once where they stand, loops or not.
  int wide_loads = 0;     ///< LDG of 16 bytes
  int wide_stores = 0;    ///< STG of 16 bytes
  int wide_copies = 0;    ///< LDGSTS of 16 bytes: cp.async from global to shared memory
  int generic = 0;        ///< LD, ST: the compiler did not know which memory a pointer names, and the hardware has to look
  int local = 0;          ///< LDL, STL: stack traffic
  int tensor_core = 0;    ///< HMMA

  /// The kinds above that occur, as words: "async128 ld128 st128 mma generic"; "-" when none.
  std::string kinds() const;
};

/// Every kernel of the library, by file, name and architecture; a kernel that several files hold stands there once, with the largest
/// numbers. Raises Error(kFile) when the library cannot be read or holds no CUDA code.
std::vector<KernelFacts> read_kernel_facts(const std::filesystem::path& library);

/// A demangled kernel name without return type, arguments and the library's namespaces, as KernelFacts has it.
std::string short_kernel_name(const std::string& demangled);

/// What limits how many threads a multiprocessor holds, from NVIDIA's "CUDA C++ Programming Guide", table of technical specifications
/// per compute capability.
struct Occupancy {
  int blocks = 0;      ///< per multiprocessor
  double warps = 0;    ///< share of the warps that a multiprocessor can hold
};
Occupancy occupancy(int architecture, int threads_per_block, int registers, int shared_bytes);

}  // namespace sepia::gpu
