// BMP, TGA and PNM by stb_image, which trusts headers: versions in use read past the end of short files and leave pixels unset.
// So each header is checked here first, to the last byte, and only plain files (uncompressed, 8 bits a channel) get through.
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_BMP
#define STBI_ONLY_TGA
#define STBI_ONLY_PNM
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS 65535
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb_image.h>
#pragma GCC diagnostic pop

#include <cstring>
#include <memory>

#include "data/decoders.h"
#include "engine/base/error.h"

namespace sepia::detail {

namespace {

/// Decodes with stb_image; the result must have the dimensions that our own check of the header found.
RawImage decode_checked(Bytes bytes, std::int64_t width, std::int64_t height, const char* format, const std::string& name) {
  int w = 0, h = 0, channels = 0;
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load_from_memory(reinterpret_cast<const stbi_uc*>(bytes.data()), static_cast<int>(bytes.size()), &w, &h, &channels, 3),
      stbi_image_free);
  SEPIA_CHECK_KIND(pixels != nullptr, ErrorKind::kData, name, ": ", format, " cannot be decoded: ", stbi_failure_reason());
  SEPIA_CHECK_KIND(w == width && h == height, ErrorKind::kData, name, ": ", format, " header is ambiguous");
  RawImage result;
  result.image = Image(w, h);
  std::memcpy(result.image.rgb.data(), pixels.get(), result.image.rgb.size());
  return result;
}

void check_length(Bytes bytes, std::uint64_t needed, const char* format, const std::string& name) {
  SEPIA_CHECK_KIND(bytes.size() >= needed, ErrorKind::kData, name, ": ", format, " truncated at byte ", bytes.size(), " of ", needed);
}

/// Reads the decimal number at `at` after spaces and comments, as PNM headers have them, and moves `at` behind it.
std::int64_t read_pnm_number(Bytes bytes, std::size_t& at, const std::string& name) {
  const auto character = [&] { return at < bytes.size() ? static_cast<char>(u8_at(bytes, at)) : '\0'; };
  const auto is_space = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  const std::size_t start = at;
  while (is_space(character()) || character() == '#') {
    if (character() == '#') {
      while (at < bytes.size() && character() != '\n' && character() != '\r') ++at;
    } else {
      ++at;
    }
  }
  std::int64_t value = 0;
  const std::size_t first_digit = at;
  for (; character() >= '0' && character() <= '9' && value <= 1'000'000; ++at) value = 10 * value + (character() - '0');
  SEPIA_CHECK_KIND(at > first_digit && first_digit > start && is_space(character()), ErrorKind::kData, name,
                   ": PNM header is damaged or truncated at byte ", at);
  return value;
}

struct TgaHeader {
  std::uint32_t id_length, color_map_type, type, color_map_entries, color_map_bits, width, height, bits, descriptor;

  explicit TgaHeader(Bytes b)
      : id_length(u8_at(b, 0)),
        color_map_type(u8_at(b, 1)),
        type(u8_at(b, 2)),
        color_map_entries(le16_at(b, 5)),
        color_map_bits(u8_at(b, 7)),
        width(le16_at(b, 12)),
        height(le16_at(b, 14)),
        bits(u8_at(b, 16)),
        descriptor(u8_at(b, 17)) {}
};

constexpr std::size_t kTgaHeaderBytes = 18;

}  // namespace

RawImage decode_bmp(Bytes bytes, const std::string& name) {
  constexpr std::size_t kFileHeader = 14;
  check_length(bytes, kFileHeader + 40, "BMP", name);
  const std::uint32_t pixels_at = le32_at(bytes, 10), header = le32_at(bytes, 14);
  SEPIA_CHECK_KIND(header == 40 || header == 56 || header == 108 || header == 124, ErrorKind::kData, name, ": BMP with a header of ",
                   header, " bytes is not read; save it as PNG");
  check_length(bytes, std::uint64_t{kFileHeader} + header, "BMP", name);
  const auto width = static_cast<std::int32_t>(le32_at(bytes, 18)), signed_height = static_cast<std::int32_t>(le32_at(bytes, 22));
  const std::int64_t height = signed_height < 0 ? -std::int64_t{signed_height} : signed_height;  // negative: rows from the top
  const std::uint32_t planes = le16_at(bytes, 26), bits = le16_at(bytes, 28), compression = le32_at(bytes, 30);
  check_dimensions(width, height, "BMP", name);
  const bool plain = planes == 1 && compression == 0 && (bits == 24 || bits == 32);
  const bool palette = planes == 1 && compression == 0 && bits == 8;
  SEPIA_CHECK_KIND(plain || palette, ErrorKind::kData, name, ": BMP with ", bits, " bits a pixel and compression ", compression,
                   " is not read; save it as PNG");
  if (palette) {
    const std::uint32_t used = le32_at(bytes, 46);
    const std::uint64_t entries = used == 0 ? 256 : used;
    SEPIA_CHECK_KIND(entries <= 256 && pixels_at == kFileHeader + header + 4 * entries, ErrorKind::kData, name,
                     ": BMP palette does not fit its header");
  } else {
    SEPIA_CHECK_KIND(pixels_at >= kFileHeader + header && pixels_at - kFileHeader - header <= 1024, ErrorKind::kData, name,
                     ": BMP header is damaged");
  }
  const std::uint64_t row = (static_cast<std::uint64_t>(width) * bits + 31) / 32 * 4;
  check_length(bytes, pixels_at + row * static_cast<std::uint64_t>(height), "BMP", name);
  return decode_checked(bytes, width, height, "BMP", name);
}

bool looks_like_tga(Bytes bytes) {
  if (bytes.size() < kTgaHeaderBytes) return false;
  const TgaHeader h(bytes);
  const bool known_type = (h.type >= 1 && h.type <= 3) || (h.type >= 9 && h.type <= 11);
  const bool palette = h.type == 1 || h.type == 9;
  const bool map_fits = palette ? h.color_map_type == 1 && h.color_map_entries > 0 : h.color_map_type == 0 && h.color_map_entries == 0;
  const bool bits_known = h.bits == 8 || h.bits == 15 || h.bits == 16 || h.bits == 24 || h.bits == 32;
  return known_type && map_fits && bits_known && h.width > 0 && h.height > 0 && h.descriptor < 64;
}

RawImage decode_tga(Bytes bytes, const std::string& name) {
  check_length(bytes, kTgaHeaderBytes, "TGA", name);
  const TgaHeader h(bytes);
  const bool colour = h.type == 2 && (h.bits == 24 || h.bits == 32);
  const bool grey = h.type == 3 && h.bits == 8;
  SEPIA_CHECK_KIND((colour || grey) && h.color_map_type == 0, ErrorKind::kData, name, ": TGA of type ", h.type, " with ", h.bits,
                   " bits a pixel is not read (only uncompressed grey and RGB are); save it as PNG");
  SEPIA_CHECK_KIND((h.descriptor & 0xd0) == 0, ErrorKind::kData, name, ": TGA stored from right to left is not read; save it as PNG");
  check_dimensions(h.width, h.height, "TGA", name);
  check_length(bytes, kTgaHeaderBytes + h.id_length + std::uint64_t{h.width} * h.height * (h.bits / 8), "TGA", name);
  return decode_checked(bytes, h.width, h.height, "TGA", name);
}

RawImage decode_pnm(Bytes bytes, const std::string& name) {
  check_length(bytes, 2, "PNM", name);
  const char kind = static_cast<char>(u8_at(bytes, 1));
  SEPIA_CHECK_KIND(kind == '5' || kind == '6', ErrorKind::kData, name, ": PNM of kind P", kind,
                   " is not read (only P5 and P6 are); save it as PNG");
  std::size_t at = 2;
  const std::int64_t width = read_pnm_number(bytes, at, name);
  const std::int64_t height = read_pnm_number(bytes, at, name);
  const std::int64_t maximum = read_pnm_number(bytes, at, name);
  check_dimensions(width, height, "PNM", name);
  SEPIA_CHECK_KIND(maximum == 255, ErrorKind::kData, name, ": PNM with a largest value of ", maximum,
                   " is not read (only 255 is); save it as PNG");
  const auto pixel_bytes = static_cast<std::uint64_t>(width * height * (kind == '6' ? 3 : 1));
  check_length(bytes, at + 1 + pixel_bytes, "PNM", name);
  // stb_image reads the header by rules of its own; a plain one of ours leaves no room for a second opinion.
  const std::string header = str('P', kind, '\n', width, ' ', height, "\n255\n");
  std::vector<std::byte> plain(header.size() + pixel_bytes);
  std::memcpy(plain.data(), header.data(), header.size());
  std::memcpy(plain.data() + header.size(), bytes.data() + at + 1, pixel_bytes);
  return decode_checked(plain, width, height, "PNM", name);
}

}  // namespace sepia::detail
