#include "data/image_read.h"

#include <cstring>
#include <string_view>
#include <system_error>
#include <utility>

#include "data/decoders.h"
#include "engine/base/error.h"
#include "engine/base/file.h"

namespace sepia {

namespace {

bool begins_with(std::span<const std::byte> bytes, std::string_view text, std::size_t at = 0) {
  return bytes.size() >= at + text.size() && std::memcmp(bytes.data() + at, text.data(), text.size()) == 0;
}

detail::RawImage decode_raw(ImageFormat format, std::span<const std::byte> bytes, const std::string& name) {
  switch (format) {
    case ImageFormat::kJpeg: return detail::decode_jpeg(bytes, name);
    case ImageFormat::kPng: return detail::decode_png(bytes, name);
    case ImageFormat::kWebp: return detail::decode_webp(bytes, name);
    case ImageFormat::kBmp: return detail::decode_bmp(bytes, name);
    case ImageFormat::kTga: return detail::decode_tga(bytes, name);
    case ImageFormat::kPnm: return detail::decode_pnm(bytes, name);
    case ImageFormat::kUnknown: break;
  }
  SEPIA_CHECK_KIND(!bytes.empty(), ErrorKind::kData, name, ": the file is empty");
  fail(ErrorKind::kData, name, ": not a picture that sepia reads (JPEG, PNG, WebP, BMP, TGA, PNM), whatever its name says");
}

}  // namespace

const char* image_format_name(ImageFormat format) {
  switch (format) {
    case ImageFormat::kJpeg: return "JPEG";
    case ImageFormat::kPng: return "PNG";
    case ImageFormat::kWebp: return "WebP";
    case ImageFormat::kBmp: return "BMP";
    case ImageFormat::kTga: return "TGA";
    case ImageFormat::kPnm: return "PNM";
    case ImageFormat::kUnknown: break;
  }
  return "unknown";
}

ImageFormat detect_image_format(std::span<const std::byte> bytes) {
  if (begins_with(bytes, "\xff\xd8\xff")) return ImageFormat::kJpeg;
  if (begins_with(bytes, "\x89PNG\r\n\x1a\n")) return ImageFormat::kPng;
  if (begins_with(bytes, "RIFF") && begins_with(bytes, "WEBP", 8)) return ImageFormat::kWebp;
  if (begins_with(bytes, "BM")) return ImageFormat::kBmp;
  if (bytes.size() >= 3 && begins_with(bytes, "P") && detail::u8_at(bytes, 1) >= '1' && detail::u8_at(bytes, 1) <= '7' &&
      (detail::u8_at(bytes, 2) <= ' ' || detail::u8_at(bytes, 2) == '#')) {
    return ImageFormat::kPnm;
  }
  if (detail::looks_like_tga(bytes)) return ImageFormat::kTga;
  return ImageFormat::kUnknown;
}

DecodedImage decode_image_and_facts(std::span<const std::byte> bytes, const std::string& name) {
  DecodedImage result;
  result.facts.format = detect_image_format(bytes);
  detail::RawImage raw = decode_raw(result.facts.format, bytes, name);
  result.image = detail::apply_orientation(std::move(raw.image), raw.orientation);
  result.facts.width = result.image.width;
  result.facts.height = result.image.height;
  result.facts.jpeg_quality = raw.jpeg_quality;
  return result;
}

Image decode_image(std::span<const std::byte> bytes, const std::string& name) { return decode_image_and_facts(bytes, name).image; }

std::vector<std::byte> read_image_file(const std::filesystem::path& path) {
  std::error_code error;
  const auto type = std::filesystem::status(path, error).type();
  const bool present = !error && type != std::filesystem::file_type::not_found;
  if (present && type != std::filesystem::file_type::regular) {
    fail(ErrorKind::kData, path.string(), type == std::filesystem::file_type::directory ? ": is a folder" : ": is not a regular file",
         ", a picture is needed");
  }
  return read_file(path, kMaxImageFileBytes);
}

Image read_image(const std::filesystem::path& path) { return decode_image(read_image_file(path), path.string()); }

namespace detail {

void check_dimensions(std::int64_t width, std::int64_t height, const char* format, const std::string& name) {
  SEPIA_CHECK_KIND(width >= 1 && height >= 1, ErrorKind::kData, name, ": ", format, " has no pixels (", width, "x", height, ")");
  SEPIA_CHECK_KIND(width <= kMaxImageSide && height <= kMaxImageSide && width * height <= kMaxImagePixels, ErrorKind::kData, name, ": ",
                   format, " of ", width, "x", height, " pixels is refused; the limit is ", kMaxImagePixels, " pixels");
}

}  // namespace detail
}  // namespace sepia
