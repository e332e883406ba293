// Pictures from files: JPEG (libjpeg-turbo), PNG (libpng), WebP (libwebp); BMP, TGA, PNM (stb_image).
//
// The format is what the bytes say, whatever the file is called. Reading is strict: a file that is truncated or damaged is an
// error, never grey pixels. Whatever comes in (grey, palette, alpha, 16 bits a channel, CMYK, EXIF rotation) goes out as
// upright RGB with 8 bits a channel. Files are opened for reading only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "data/image.h"

namespace sepia {

enum class ImageFormat { kUnknown, kJpeg, kPng, kWebp, kBmp, kTga, kPnm };

/// "JPEG", "PNG", "WebP", "BMP", "TGA", "PNM"; "unknown".
const char* image_format_name(ImageFormat format);

/// The format that the first bytes (TGA: the header's fields, for it has no signature) name.
ImageFormat detect_image_format(std::span<const std::byte> bytes);

/// Pictures above these are refused before any memory is asked for.
inline constexpr int kMaxImageSide = 65500;
inline constexpr std::int64_t kMaxImagePixels = std::int64_t{1} << 26;
/// Files above this are refused before they are read.
inline constexpr std::uint64_t kMaxImageFileBytes = std::uint64_t{1} << 29;

/// What a file is, apart from its pixels: what `data check` compares between the classes.
struct ImageFacts {
  ImageFormat format = ImageFormat::kUnknown;
  int width = 0;  ///< upright, that is after EXIF rotation
  int height = 0;
  int jpeg_quality = 0;  ///< 1..100, estimated from the quantisation table; 0 when the file is not a JPEG
};

struct DecodedImage {
  Image image;
  ImageFacts facts;
};

/// Decodes the picture in `bytes`; `name` stands in error messages. Alpha is dropped (not blended), as PIL's convert("RGB")
/// does; 16-bit values are rounded to 8; CMYK is converted without colour profiles. kData when the bytes are not a whole,
/// undamaged picture of one of the formats, or exceed the limits above.
Image decode_image(std::span<const std::byte> bytes, const std::string& name);
/// The same with the facts.
DecodedImage decode_image_and_facts(std::span<const std::byte> bytes, const std::string& name);

/// The bytes of a picture file. kPath when it is missing or not permitted; kData when it is empty, too large, or not a
/// regular file (a folder, a pipe).
std::vector<std::byte> read_image_file(const std::filesystem::path& path);

/// read_image_file and decode_image.
Image read_image(const std::filesystem::path& path);

}  // namespace sepia
