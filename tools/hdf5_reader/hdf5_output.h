// Writes the stream of engine/io/hdf5_protocol.h.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/hdf5_protocol.h"

namespace sepia::hdf5 {

/// Records to a descriptor, buffered. Ends the process when the other side is gone.
class Output {
 public:
  explicit Output(int descriptor) : descriptor_(descriptor) { buffer_.append(detail::kHdf5Magic); }

  void tensor(std::string_view name, std::size_t type, const std::vector<std::int64_t>& shape, std::string_view data) {
    buffer_ += 'T';
    text(name);
    buffer_ += static_cast<char>(type);
    buffer_ += static_cast<char>(shape.size());
    for (const std::int64_t extent : shape) number(static_cast<std::uint64_t>(extent), 8);
    flush();
    write(data);
    ++tensors_;
  }
  void attribute(std::string_view name, std::string_view value) {
    buffer_ += 'A';
    text(name);
    text(value);
  }
  void skipped(std::string_view name) {
    buffer_ += 'S';
    text(name);
  }
  void refuse(std::string_view reason) {
    buffer_ += 'E';
    text(reason);
  }
  void end() {
    buffer_ += 'Z';
    number(tensors_, 4);
  }
  void flush() {
    write(buffer_);
    buffer_.clear();
  }

 private:
  void number(std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) buffer_ += static_cast<char>(value >> (8 * i) & 0xff);
  }
  void text(std::string_view value) {
    constexpr std::size_t kLongest = 1024;
    value = value.substr(0, kLongest);
    number(value.size(), 2);
    buffer_ += value;
  }
  void write(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t count = ::write(descriptor_, bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) ::_exit(4);
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
  }

  int descriptor_;
  std::uint32_t tensors_ = 0;
  std::string buffer_;
};

}  // namespace sepia::hdf5
