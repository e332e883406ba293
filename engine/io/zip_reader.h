// The part of the ZIP format that torch.save writes: stored entries and a central directory, zip64 included (private to engine/io).
// (PKWARE, "APPNOTE.TXT", 4.3 and 4.5)
//
//   local header | name | extra | data     once per entry, in any order, without overlaps
//   central directory                      one record per entry: name, sizes, checksum, place of the local header
//   [zip64 end record, zip64 locator]      where 16 or 32 bits are too few
//   end record
//
// An own reader, since what it does not do is the point: it never inflates, so that no small file becomes a large one; it asks for no
// memory that grows with a number in the file; and it takes only archives in which every byte belongs to at most one entry.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sepia::detail {

/// One entry: its bytes are [offset, offset + bytes) of the archive.
struct ZipEntry {
  std::string name;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::uint32_t crc32 = 0;
};

class ZipArchive {
 public:
  /// Far more entries than a checkpoint has tensors.
  static constexpr std::uint64_t kMaxEntries = 100'000;

  /// Reads the directory of an archive in memory, which must live as long as this object. kData, beginning with `source`, when it is
  /// damaged, compressed, encrypted or split, names an entry twice, or lets two entries share bytes.
  static ZipArchive parse(std::span<const std::byte> bytes, std::string_view source);

  /// In the order of the directory.
  const std::vector<ZipEntry>& entries() const { return entries_; }
  /// The entry of that name, or nullptr.
  const ZipEntry* find(std::string_view name) const;
  /// The bytes of one of entries(), after their CRC-32 was found right. kData otherwise.
  std::span<const std::byte> data(const ZipEntry& entry) const;

 private:
  ZipArchive() = default;
  std::string source_;
  std::span<const std::byte> bytes_;
  std::vector<ZipEntry> entries_;
  std::map<std::string, std::size_t, std::less<>> index_;
};

}  // namespace sepia::detail
