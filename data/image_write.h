// Pictures to files: PNG (libpng) and JPEG (libjpeg-turbo). The same picture gives the same bytes: no times, no texts.
#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

#include "data/image.h"

namespace sepia {

/// The picture as a PNG file, 8-bit RGB.
std::vector<std::byte> encode_png(const Image& image);

struct JpegOptions {
  int quality = 95;               ///< 1..100, libjpeg's scale
  bool progressive = false;
  bool chroma_subsampling = true; ///< 4:2:0 when true, else 4:4:4
};

/// The picture as a JPEG (JFIF) file. kUsage when the quality is out of range.
std::vector<std::byte> encode_jpeg(const Image& image, const JpegOptions& options = {});

/// encode_png into a file, replaced atomically; kPath when it cannot be written.
void write_png(const std::filesystem::path& path, const Image& image);
/// The same for JPEG.
void write_jpeg(const std::filesystem::path& path, const Image& image, const JpegOptions& options = {});

}  // namespace sepia
