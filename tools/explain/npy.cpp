#include "tools/explain/npy.h"

#include <array>
#include <bit>
#include <span>
#include <string>

#include "engine/base/error.h"
#include "engine/base/file.h"

namespace sepia::tools {

static_assert(std::endian::native == std::endian::little, "the header written here says little-endian");

void write_npy(const std::filesystem::path& path, const explain::Map& map) {
  std::string header = str("{'descr': '<f4', 'fortran_order': False, 'shape': (", map.height, ", ", map.width, "), }");
  // Magic, version, a 16-bit length, then the header, padded with spaces to a multiple of 64 and ended by a line break.
  constexpr std::size_t kPrelude = 10, kAlignment = 64;
  header.append((kAlignment - (kPrelude + header.size() + 1) % kAlignment) % kAlignment, ' ');
  header += '\n';
  const auto length = static_cast<unsigned>(header.size());
  const std::string prelude = std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(length & 255) + static_cast<char>(length >> 8);
  const std::array<std::span<const std::byte>, 3> parts = {std::as_bytes(std::span(prelude)), std::as_bytes(std::span(header)), std::as_bytes(std::span(map.values))};
  write_file_atomic(path, parts);
}

}  // namespace sepia::tools
