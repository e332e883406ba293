// kernel_facts LIBRARY NVCC_VERSION: the table of tests/cuda_compile/registers.csv, as the library at hand has it, on stdout.
#include <cstdio>

#include "engine/base/error.h"
#include "tools/gpu/facts_table.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: kernel_facts libsepia_cuda.so VERSION_OF_NVCC\n");
    return 2;
  }
  try {
    const std::string table = sepia::gpu::facts_table(sepia::gpu::read_kernel_facts(argv[1]), argv[2]);
    std::fwrite(table.data(), 1, table.size(), stdout);
    return 0;
  } catch (const sepia::Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return error.exit_code();
  }
}
