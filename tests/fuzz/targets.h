// What the fuzzers call: a reader of untrusted bytes, which must return or throw Error kData, and nothing else.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace sepia::fuzz {

void safetensors(std::span<const std::byte> bytes);  ///< SafetensorsFile::parse, every tensor read
void pickle(std::span<const std::byte> bytes);       ///< read_pickle, and the state dict out of 256 bytes of storage
void zip(std::span<const std::byte> bytes);          ///< ZipArchive, every entry read
void torch_file(std::span<const std::byte> bytes);   ///< the whole reader, ZIP or legacy by the first bytes
void hdf5_pipe(std::span<const std::byte> bytes);    ///< our side of the pipe from the process that parses HDF5

struct Target {
  std::string_view name;  ///< of its folder in corpus/
  void (*run)(std::span<const std::byte>);
};
inline constexpr std::array<Target, 5> kTargets{{{"safetensors", safetensors}, {"pickle", pickle}, {"zip", zip}, {"torch_file", torch_file}, {"hdf5_pipe", hdf5_pipe}}};

}  // namespace sepia::fuzz
