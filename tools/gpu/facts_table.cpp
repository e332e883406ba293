#include "tools/gpu/facts_table.h"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "engine/base/error.h"

namespace sepia::gpu {
namespace {

constexpr const char* kVersionLine = "# nvcc ";
constexpr int kArchitectures[] = {80, 90};

int number(const std::string& text, const std::string& line) {
  int value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  SEPIA_CHECK_KIND(status == std::errc() && end == text.data() + text.size(), ErrorKind::kData, "not a line of the table: ", line);
  return value;
}

std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> parts;
  std::stringstream in(line);
  for (std::string part; std::getline(in, part, ';');) parts.push_back(part);
  return parts;
}

}  // namespace

FactsTable table_of(const std::vector<KernelFacts>& kernels) {
  FactsTable table;
  for (const KernelFacts& k : kernels) {  // in rising order of architectures
    FactsLine& line = table[k.file + ";" + k.name];
    if (line.registers.empty()) line.kinds = k.kinds();
    line.registers[k.architecture] = k.registers;
    line.shared_bytes = std::max(line.shared_bytes, k.shared_bytes);
  }
  return table;
}

std::string text_of(const std::string& kernel, const FactsLine& line) {
  std::string text = kernel;
  for (const int architecture : kArchitectures) {
    const auto found = line.registers.find(architecture);
    text += ";" + (found == line.registers.end() ? "" : std::to_string(found->second));
  }
  return text + ";" + std::to_string(line.shared_bytes) + ";" + line.kinds;
}

std::string facts_table(const std::vector<KernelFacts>& kernels, const std::string& nvcc_version) {
  std::string text =
      "# What nvcc makes of every CUDA kernel; test_cuda_compile holds the built library against it. Write it anew, and look at the\n"
      "# difference, after a kernel has changed:\n"
      "#     cmake --build build --target kernel_facts_table\n"
      "# registers: per thread; shared: static bytes per block; instructions: 16-byte loads, stores and asynchronous copies, tensor cores,\n"
      "# and generic: accesses of which the compiler did not know whether they go to global or shared memory.\n";
  text += kVersionLine + nvcc_version + "\nfile;kernel;registers sm_80;registers sm_90;shared;instructions\n";
  for (const auto& [kernel, line] : table_of(kernels)) text += text_of(kernel, line) + "\n";
  return text;
}

ReadTable read_facts_table(const std::string& text) {
  ReadTable table;
  std::stringstream in(text);
  bool head = true;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(kVersionLine)) table.nvcc_version = line.substr(std::string(kVersionLine).size());
    if (line.empty() || line.starts_with("#")) continue;
    if (head) {  // the names of the columns
      head = false;
      continue;
    }
    const std::vector<std::string> parts = split(line);
    SEPIA_CHECK_KIND(parts.size() == 6, ErrorKind::kData, "not a line of the table: ", line);
    FactsLine facts{{}, number(parts[4], line), parts[5]};
    for (std::size_t i = 0; i < std::size(kArchitectures); ++i) {
      if (!parts[2 + i].empty()) facts.registers[kArchitectures[i]] = number(parts[2 + i], line);
    }
    table.lines[parts[0] + ";" + parts[1]] = facts;
  }
  return table;
}

}  // namespace sepia::gpu
