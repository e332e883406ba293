// Builds safetensors files byte by byte, right ones and wrong ones.
#pragma once

#include <cstddef>
#include <string>

#include "tests/io/support/torch_file_builder.h"

namespace sepia::test::safetensors {

inline std::string length_field(std::uint64_t length) { return le(length, 8); }

/// A file with this header and so many bytes of data.
inline std::string file_of(const std::string& json, std::size_t data) { return length_field(json.size()) + json + std::string(data, 'd'); }

/// One tensor's entry in the header.
inline std::string tensor(const std::string& name, const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return "\"" + name + R"(":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

}  // namespace sepia::test::safetensors
