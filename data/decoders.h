// Private to data/: one decoder per library. Each throws kData with a message that begins with `name`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "data/image.h"

namespace sepia::detail {

using Bytes = std::span<const std::byte>;

/// A picture as it lies in the file, before EXIF rotation.
struct RawImage {
  Image image;
  int orientation = 1;   ///< EXIF 1..8
  int jpeg_quality = 0;  ///< 1..100; 0 when not a JPEG
};

RawImage decode_jpeg(Bytes bytes, const std::string& name);
RawImage decode_png(Bytes bytes, const std::string& name);
RawImage decode_webp(Bytes bytes, const std::string& name);
RawImage decode_bmp(Bytes bytes, const std::string& name);
RawImage decode_tga(Bytes bytes, const std::string& name);
RawImage decode_pnm(Bytes bytes, const std::string& name);

/// Whether the bytes begin with a plausible TGA header of any kind.
bool looks_like_tga(Bytes bytes);

/// Throws kData unless both sides are at least 1 and within kMaxImageSide and kMaxImagePixels.
void check_dimensions(std::int64_t width, std::int64_t height, const char* format, const std::string& name);

/// EXIF orientation (1..8) of an EXIF block that begins with "Exif\0\0"; 1 when it has none or is not EXIF.
int exif_orientation(Bytes block);
/// The same for a block without that prefix, as PNG and WebP hold it.
int exif_orientation_without_prefix(Bytes block);

/// Turns or mirrors the picture so that it stands upright.
Image apply_orientation(Image image, int orientation);

/// Byte i as a number; big- and little-endian integers at i. The caller has checked the length.
inline std::uint32_t u8_at(Bytes b, std::size_t i) { return std::to_integer<std::uint32_t>(b[i]); }
inline std::uint32_t le16_at(Bytes b, std::size_t i) { return u8_at(b, i) | u8_at(b, i + 1) << 8; }
inline std::uint32_t le32_at(Bytes b, std::size_t i) { return le16_at(b, i) | le16_at(b, i + 2) << 16; }

}  // namespace sepia::detail
