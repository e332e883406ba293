// The table of what the compiler made of the kernels, one line per kernel with all architectures side by side: made from a library,
// written, read, and compared line by line.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tools/gpu/cubin.h"

namespace sepia::gpu {

struct FactsLine {
  std::map<int, int> registers;  ///< by architecture
  int shared_bytes = 0;          ///< static; the largest of the architectures
  std::string kinds;             ///< KernelFacts::kinds() of the lowest architecture

  bool operator==(const FactsLine&) const = default;
};

/// By "file;kernel". Files that hold a kernel in common are left out: ";sum_partials_kernel<16>".
using FactsTable = std::map<std::string, FactsLine>;

FactsTable table_of(const std::vector<KernelFacts>& kernels);

/// The line as the table's file has it: "depthwise_conv.cu;forward_kernel<1, bf16>;40;42;0;ld128 st128".
std::string text_of(const std::string& kernel, const FactsLine& line);

/// The whole file, its head included.
std::string facts_table(const std::vector<KernelFacts>& kernels, const std::string& nvcc_version);

struct ReadTable {
  std::string nvcc_version;
  FactsTable lines;
};
/// Reads what facts_table wrote. Raises Error(kData) naming the line that is no line of such a table.
ReadTable read_facts_table(const std::string& text);

}  // namespace sepia::gpu
