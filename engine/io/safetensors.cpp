#include "engine/io/safetensors.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <numeric>
#include <tuple>
#include <utility>

#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/io/safetensors_header.h"

namespace sepia {
namespace {

constexpr std::size_t kLengthBytes = 8;

std::uint64_t read_header_length(std::span<const std::byte> bytes) {
  std::uint64_t length = 0;
  for (std::size_t i = kLengthBytes; i-- > 0;) length = length << 8 | std::to_integer<std::uint64_t>(bytes[i]);
  return length;
}

bool begins_with(std::span<const std::byte> bytes, std::string_view magic) {
  return bytes.size() >= magic.size() &&
         std::equal(magic.begin(), magic.end(), bytes.begin(), [](char a, std::byte b) { return std::byte(a) == b; });
}

/// People give the weights they have; say what a file of another kind is rather than that its header is long.
void refuse_other_formats(std::span<const std::byte> bytes, std::string_view source) {
  using namespace std::string_view_literals;
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kOthers{{
      {"PK\x03\x04"sv, "a ZIP archive, probably PyTorch weights; 'sepia convert' makes a .safetensors file of it"},
      {"\x80\x02\x8a\x0a"sv, "a PyTorch weights file of before 2020; 'sepia convert' makes a .safetensors file of it"},
      {"\x89HDF"sv, "an HDF5 file, probably Keras weights; 'sepia convert' makes a .safetensors file of it"},
      {"version https://git-lfs"sv, "a Git LFS pointer; the weights themselves have not been downloaded"},
  }};
  for (const auto& [magic, what] : kOthers) {
    if (begins_with(bytes, magic)) fail(ErrorKind::kData, source, ": is ", what);
  }
}

/// The format wants the tensors to cover the data exactly once. Sorts `entries` by their place and checks that.
void check_layout(std::vector<TensorEntry>& entries, std::uint64_t data_bytes, std::string_view source) {
  const auto place = [](const TensorEntry& entry) { return std::tuple(entry.offset, entry.bytes); };
  std::stable_sort(entries.begin(), entries.end(), [&](const auto& a, const auto& b) { return place(a) < place(b); });
  std::uint64_t end = 0;
  for (const auto& entry : entries) {
    if (entry.offset != end) {
      fail(ErrorKind::kData, source, ": tensor ", detail::printable(entry.name), " begins at byte ", entry.offset,
           " of the data, but the one before ends at ", end, entry.offset > end ? ": a hole" : ": they overlap");
    }
    end = entry.offset + entry.bytes;  // both fit 63 bits
  }
  if (end > data_bytes) {
    fail(ErrorKind::kData, source, ": truncated: tensors need ", end, " bytes after the header, the file has ", data_bytes);
  }
  if (end < data_bytes) {
    fail(ErrorKind::kData, source, ": ", data_bytes - end, " bytes after the last tensor belong to none");
  }
}

}  // namespace

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& path) {
  return parse(read_file(path, kMaxFileBytes), path.string());
}

SafetensorsFile SafetensorsFile::parse(std::vector<std::byte> bytes, std::string_view source) {
  refuse_other_formats(bytes, source);
  if (bytes.size() < kLengthBytes) {
    fail(ErrorKind::kData, source, ": ", bytes.size(), " bytes; a safetensors file has at least 8. Empty or truncated");
  }
  const std::uint64_t length = read_header_length(bytes);
  if (length > kMaxHeaderBytes) {
    fail(ErrorKind::kData, source, ": header of ", length, " bytes, more than the ", kMaxHeaderBytes, " allowed; not a safetensors file");
  }
  const std::uint64_t rest = bytes.size() - kLengthBytes;
  if (length > rest) fail(ErrorKind::kData, source, ": truncated: the header has ", length, " bytes, the file ", rest, " after its length");

  SafetensorsFile file;
  file.source_ = source;
  const std::string_view json(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, static_cast<std::size_t>(length));
  detail::SafetensorsHeader header = detail::parse_safetensors_header(json, source);
  check_layout(header.entries, rest - length, source);
  file.entries_ = std::move(header.entries);
  file.metadata_ = std::move(header.metadata);
  file.data_start_ = kLengthBytes + length;
  file.bytes_ = std::move(bytes);
  for (std::size_t i = 0; i < file.entries_.size(); ++i) file.index_.emplace(file.entries_[i].name, i);
  return file;
}

const TensorEntry* SafetensorsFile::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

std::span<const std::byte> SafetensorsFile::data(const TensorEntry& entry) const {
  assert(find(entry.name) != nullptr && find(entry.name)->offset == entry.offset);
  return std::span(bytes_).subspan(static_cast<std::size_t>(data_start_ + entry.offset), static_cast<std::size_t>(entry.bytes));
}

}  // namespace sepia
