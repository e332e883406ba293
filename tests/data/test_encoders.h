// Writers of the kinds of files that sepia reads but does not write. Each goes straight to the format's own library, or writes
// the bytes by hand, so that readers are tested against something that is not sepia.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "data/image.h"

namespace sepia::test {

using ByteVector = std::vector<std::byte>;

/// PNG of any colour type (PNG_COLOR_TYPE_*) and bit depth; `rows` holds packed rows (16-bit values big-endian).
struct PngSpec {
  int width = 0, height = 0, bit_depth = 8, color_type = 2;
  bool interlaced = false;
  std::vector<std::uint8_t> palette = {};  ///< RGB triples
  std::vector<std::uint8_t> exif = {};     ///< an eXIf chunk, without "Exif\0\0"
};
ByteVector encode_any_png(const PngSpec& spec, const std::vector<std::uint8_t>& rows);

/// JPEG of `components` channels (1: grey, 4: CMYK or, with `ycck`, YCCK); `adobe` says whether the Adobe marker is written.
/// Values go into the file as given.
struct JpegSpec {
  int width = 0, height = 0, components = 1;
  bool ycck = false;
  bool adobe = true;
};
ByteVector encode_any_jpeg(const JpegSpec& spec, const std::vector<std::uint8_t>& rows);

ByteVector encode_lossless_webp(const Image& image);
ByteVector encode_bmp24(const Image& image, bool top_down = false);
/// `bits` 24 (BGR) or 8 (grey, the red channel); rows from the top when `top_down`.
ByteVector encode_tga(const Image& image, int bits = 24, bool top_down = true);
ByteVector encode_ppm(const Image& image, const std::string& header_end = "\n255\n");
/// P5 of the red channel.
ByteVector encode_pgm(const Image& image);

/// A TIFF block with the one tag Orientation, little- or big-endian.
std::vector<std::uint8_t> exif_block(int orientation, bool big_endian);
/// Puts the block behind a JPEG's first marker as an APP1 segment.
ByteVector with_exif(const ByteVector& jpeg, const std::vector<std::uint8_t>& block);
/// Overwrites the sizes in the frame header of a JPEG, or in the IHDR of a PNG (with a right checksum).
ByteVector with_jpeg_size(ByteVector jpeg, int width, int height);
ByteVector with_png_size(ByteVector png, std::uint32_t width, std::uint32_t height);

}  // namespace sepia::test
