#include "engine/io/zip_reader.h"

#include <zlib.h>

#include <algorithm>
#include <optional>

#include "engine/base/error.h"
#include "engine/io/byte_reader.h"
#include "engine/io/safetensors_header.h"

namespace sepia::detail {
namespace {

constexpr std::uint32_t kLocalHeader = 0x04034b50, kCentralHeader = 0x02014b50, kEnd = 0x06054b50;
constexpr std::uint32_t kZip64End = 0x06064b50, kZip64Locator = 0x07064b50;
constexpr std::uint16_t kZip64Extra = 0x0001;
constexpr std::size_t kEndBytes = 22, kLocatorBytes = 20, kLocalBytes = 30, kMaxComment = 65535, kMaxName = 4096;
constexpr std::uint32_t kIn64 = 0xffffffff;

struct Directory {
  std::uint64_t offset = 0, bytes = 0, count = 0;
};

/// Reads the parts of one archive; every refusal begins with the source.
class Reader {
 public:
  Reader(std::span<const std::byte> bytes, std::string_view source) : bytes_(bytes), source_(source) {}

  std::vector<ZipEntry> entries() const {
    const Directory directory = find_directory();
    if (directory.count > ZipArchive::kMaxEntries) refuse("the ZIP archive has ", directory.count, " entries, more than the ", ZipArchive::kMaxEntries, " allowed");
    if (directory.offset > bytes_.size() || directory.bytes > bytes_.size() - directory.offset) {
      refuse("the ZIP directory of ", directory.bytes, " bytes at ", directory.offset, " lies outside the file of ", bytes_.size(), " bytes");
    }
    ByteReader in(bytes_.subspan(static_cast<std::size_t>(directory.offset), static_cast<std::size_t>(directory.bytes)));
    std::vector<ZipEntry> found;
    std::vector<Range> ranges;
    for (std::uint64_t i = 0; i < directory.count; ++i) found.push_back(central_record(in, directory.offset, ranges));
    if (in.left() != 0) refuse("the ZIP directory holds ", in.left(), " bytes after its ", directory.count, " records");
    check_disjoint(ranges, found);
    return found;
  }

 private:
  /// What an entry occupies: its local header and data.
  struct Range {
    std::uint64_t begin, end;
    std::size_t entry;
  };

  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail(ErrorKind::kData, source_, ": ", parts...);
  }

  std::optional<std::size_t> find_end() const {
    if (bytes_.size() < kEndBytes) return std::nullopt;
    const std::size_t last = bytes_.size() - kEndBytes, first = last > kMaxComment ? last - kMaxComment : 0;
    for (std::size_t at = last + 1; at-- > first;) {
      ByteReader in(bytes_, at);
      std::uint32_t signature = 0;
      std::uint16_t comment = 0;
      if (in.number(signature) && signature == kEnd && in.skip(16) && in.number(comment) && in.left() == comment) return at;
    }
    return std::nullopt;
  }

  Directory find_directory() const {
    const auto end = find_end();
    if (!end) refuse("truncated: the ZIP archive has no end record; download or copy the file again");
    ByteReader in(bytes_, *end + 4);
    std::uint16_t disk = 0, directory_disk = 0, here = 0, count = 0;
    std::uint32_t size = 0, offset = 0;
    const bool whole = in.number(disk) && in.number(directory_disk) && in.number(here) && in.number(count) && in.number(size) && in.number(offset);
    if (!whole) refuse("the ZIP archive's end record is cut");
    if (disk != 0 || directory_disk != 0 || here != count) refuse("the ZIP archive is split over several files");
    if (const auto wide = zip64_directory(*end)) return *wide;
    if (count == 0xffff || size == kIn64 || offset == kIn64) refuse("the ZIP archive's zip64 record is missing");
    return {offset, size, count};
  }

  std::optional<Directory> zip64_directory(std::size_t end) const {
    if (end < kLocatorBytes) return std::nullopt;
    ByteReader in(bytes_, end - kLocatorBytes);
    std::uint32_t signature = 0, disk = 0, disks = 0;
    std::uint64_t at = 0;
    if (!in.number(signature) || signature != kZip64Locator) return std::nullopt;
    if (!in.number(disk) || !in.number(at) || !in.number(disks) || disk != 0 || disks > 1 || at >= bytes_.size()) refuse("the ZIP archive's zip64 locator is wrong");
    ByteReader record(bytes_, static_cast<std::size_t>(at));
    Directory directory;
    std::uint64_t here = 0;
    const bool whole = record.number(signature) && signature == kZip64End && record.skip(20) && record.number(here) && record.number(directory.count) &&
                       record.number(directory.bytes) && record.number(directory.offset);
    if (!whole || here != directory.count) refuse("the ZIP archive's zip64 end record is wrong");
    return directory;
  }

  ZipEntry central_record(ByteReader& in, std::uint64_t directory_offset, std::vector<Range>& ranges) const {
    std::uint32_t signature = 0, packed32 = 0, size32 = 0, offset32 = 0;
    std::uint16_t flags = 0, method = 0, name_bytes = 0, extra_bytes = 0, comment_bytes = 0, disk = 0;
    ZipEntry entry;
    std::string_view name;
    std::span<const std::byte> extra;
    const bool whole = in.number(signature) && signature == kCentralHeader && in.skip(4) && in.number(flags) && in.number(method) && in.skip(4) &&
                       in.number(entry.crc32) && in.number(packed32) && in.number(size32) && in.number(name_bytes) && in.number(extra_bytes) &&
                       in.number(comment_bytes) && in.number(disk) && in.skip(6) && in.number(offset32) && in.take_text(name_bytes, name) &&
                       in.take(extra_bytes, extra) && in.skip(comment_bytes);
    if (!whole) refuse("the ZIP directory is damaged at record ", ranges.size());
    if (name.empty() || name.size() > kMaxName || name.find('\0') != std::string_view::npos) refuse("the ZIP directory has an entry with an impossible name");
    entry.name = name;
    const std::string shown = "ZIP entry " + printable(name);
    if ((flags & 0x2041) != 0) refuse(shown, " is encrypted");
    if (method != 0) refuse(shown, " is compressed (method ", method, "); torch.save stores its entries, and compressed ones are not unpacked here");
    std::uint64_t packed = packed32, offset = offset32;
    entry.bytes = size32;
    read_zip64_extra(extra, shown, entry.bytes, packed, offset);
    if (packed != entry.bytes) refuse(shown, " is stored in ", packed, " bytes but said to have ", entry.bytes);
    entry.offset = data_offset(offset, name, shown, directory_offset);
    if (entry.bytes > directory_offset - entry.offset) refuse(shown, " of ", entry.bytes, " bytes at ", entry.offset, " runs into the directory");
    ranges.push_back({offset, entry.offset + entry.bytes, ranges.size()});
    return entry;
  }

  /// Fields that are all ones stand, in this order, in the zip64 extra field.
  void read_zip64_extra(std::span<const std::byte> extra, const std::string& shown, std::uint64_t& size, std::uint64_t& packed, std::uint64_t& offset) const {
    ByteReader in(extra);
    std::uint16_t tag = 0, length = 0;
    while (in.left() >= 4 && in.number(tag) && in.number(length)) {
      std::span<const std::byte> field;
      if (!in.take(length, field)) refuse(shown, " has a damaged extra field");
      if (tag != kZip64Extra) continue;
      ByteReader wide(field);
      for (std::uint64_t* value : {&size, &packed, &offset}) {
        if (*value == kIn64 && !wide.number(*value)) refuse(shown, " has a damaged zip64 field");
      }
      return;
    }
  }

  /// Where the data begin: after the local header, whose own name and extra field may differ in length from the directory's.
  std::uint64_t data_offset(std::uint64_t header, std::string_view name, const std::string& shown, std::uint64_t limit) const {
    if (header > limit || limit - header < kLocalBytes) refuse(shown, " has its header at ", header, ", outside the archive's data");
    ByteReader in(bytes_.first(static_cast<std::size_t>(limit)), static_cast<std::size_t>(header));
    std::uint32_t signature = 0;
    std::uint16_t name_bytes = 0, extra_bytes = 0;
    std::string_view local_name;
    const bool whole = in.number(signature) && signature == kLocalHeader && in.skip(22) && in.number(name_bytes) && in.number(extra_bytes) &&
                       in.take_text(name_bytes, local_name) && in.skip(extra_bytes);
    if (!whole) refuse(shown, " has a damaged local header");
    if (local_name != name) refuse(shown, " is named ", printable(local_name), " in its own header");
    return in.position();
  }

  void check_disjoint(std::vector<Range>& ranges, const std::vector<ZipEntry>& found) const {
    std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.begin < b.begin; });
    for (std::size_t i = 1; i < ranges.size(); ++i) {
      if (ranges[i].begin < ranges[i - 1].end) {
        refuse("ZIP entries ", printable(found[ranges[i - 1].entry].name), " and ", printable(found[ranges[i].entry].name), " share bytes");
      }
    }
  }

  std::span<const std::byte> bytes_;
  std::string_view source_;
};

}  // namespace

ZipArchive ZipArchive::parse(std::span<const std::byte> bytes, std::string_view source) {
  ZipArchive archive;
  archive.source_ = source;
  archive.bytes_ = bytes;
  archive.entries_ = Reader(bytes, source).entries();
  for (std::size_t i = 0; i < archive.entries_.size(); ++i) {
    const bool added = archive.index_.emplace(archive.entries_[i].name, i).second;
    SEPIA_CHECK_KIND(added, ErrorKind::kData, source, ": ZIP entry ", printable(archive.entries_[i].name), " stands twice");
  }
  return archive;
}

const ZipEntry* ZipArchive::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

std::span<const std::byte> ZipArchive::data(const ZipEntry& entry) const {
  const auto data = bytes_.subspan(static_cast<std::size_t>(entry.offset), static_cast<std::size_t>(entry.bytes));
  const uLong crc = crc32_z(crc32_z(0, nullptr, 0), reinterpret_cast<const Bytef*>(data.data()), data.size());
  SEPIA_CHECK_KIND(crc == entry.crc32, ErrorKind::kData, source_, ": ZIP entry ", printable(entry.name),
                   " does not have the checksum that the archive gives; the file is damaged");
  return data;
}

}  // namespace sepia::detail
