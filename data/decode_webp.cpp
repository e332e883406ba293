// WebP by libwebp.
#include <webp/decode.h>

#include <cstring>

#include "data/decoders.h"
#include "engine/base/error.h"

namespace sepia::detail {

namespace {

/// The EXIF chunk of the RIFF container, or nothing.
Bytes find_exif_chunk(Bytes bytes) {
  std::size_t at = 12;  // "RIFF", size, "WEBP"
  while (bytes.size() - at >= 8) {
    const std::size_t size = le32_at(bytes, at + 4);
    const Bytes body = bytes.subspan(at + 8);
    if (size > body.size()) break;
    if (std::memcmp(bytes.data() + at, "EXIF", 4) == 0) return body.first(size);
    const std::size_t padded = size + size % 2;
    if (padded > body.size()) break;
    at += 8 + padded;
  }
  return {};
}

}  // namespace

RawImage decode_webp(Bytes bytes, const std::string& name) {
  const std::uint64_t declared = bytes.size() >= 12 ? std::uint64_t{le32_at(bytes, 4)} + 8 : 12;
  SEPIA_CHECK_KIND(declared <= bytes.size(), ErrorKind::kData, name, ": WebP truncated at byte ", bytes.size(), " of ", declared);
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  WebPBitstreamFeatures features;
  SEPIA_CHECK_KIND(WebPGetFeatures(data, bytes.size(), &features) == VP8_STATUS_OK, ErrorKind::kData, name, ": WebP header is damaged");
  SEPIA_CHECK_KIND(!features.has_animation, ErrorKind::kData, name, ": animated WebP is not read; save the frame that is meant");
  check_dimensions(features.width, features.height, "WebP", name);
  RawImage result;
  result.image = Image(features.width, features.height);
  const auto* decoded = WebPDecodeRGBInto(data, bytes.size(), result.image.rgb.data(), result.image.rgb.size(), 3 * features.width);
  SEPIA_CHECK_KIND(decoded != nullptr, ErrorKind::kData, name, ": WebP is damaged or truncated");
  const Bytes exif = find_exif_chunk(bytes);
  // Some writers copy JPEG's prefix into the chunk, against the specification.
  result.orientation = exif_orientation(exif);
  if (result.orientation == 1) result.orientation = exif_orientation_without_prefix(exif);
  return result;
}

}  // namespace sepia::detail
