// Weight files that must be refused: each with its name, its bytes and a part of the reason.
#pragma once

#include <string>
#include <vector>

namespace sepia::test {

struct HostileFile {
  std::string name;    ///< letters only
  std::string bytes;
  std::string reason;  ///< in the message
};

/// PyTorch's two containers, made wrong in every way that a reader has to know.
std::vector<HostileFile> hostile_torch_files();
/// safetensors files: headers that are not exactly the format.
std::vector<HostileFile> hostile_safetensors_files();
/// HDF5 files: headers that lie; `golden` is a good one.
std::vector<HostileFile> hostile_hdf5_files(const std::string& golden);

}  // namespace sepia::test
