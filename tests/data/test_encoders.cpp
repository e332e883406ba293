#include "tests/data/test_encoders.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
// jpeglib.h needs <cstdio> above it.
#include <jpeglib.h>
#include <png.h>
#include <webp/encode.h>
#include <zlib.h>

namespace sepia::test {

namespace {

void append(ByteVector& out, const void* data, std::size_t size) {
  const std::size_t before = out.size();
  out.resize(before + size);
  std::memcpy(out.data() + before, data, size);
}

void append_le(ByteVector& out, std::uint32_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<std::byte>(value >> (8 * i)));
}

void put_be32(std::byte* at, std::uint32_t value) {
  for (int i = 0; i < 4; ++i) at[i] = static_cast<std::byte>(value >> (24 - 8 * i));
}

}  // namespace

ByteVector encode_any_png(const PngSpec& spec, const std::vector<std::uint8_t>& rows) {
  ByteVector out;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(
      png, &out, [](png_structp p, png_bytep data, png_size_t size) { append(*static_cast<ByteVector*>(png_get_io_ptr(p)), data, size); },
      nullptr);
  png_set_IHDR(png, info, static_cast<png_uint_32>(spec.width), static_cast<png_uint_32>(spec.height), spec.bit_depth, spec.color_type,
               spec.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  std::vector<png_color> palette;
  for (std::size_t i = 0; i + 2 < spec.palette.size(); i += 3)
    palette.push_back({spec.palette[i], spec.palette[i + 1], spec.palette[i + 2]});
  if (!palette.empty()) png_set_PLTE(png, info, palette.data(), static_cast<int>(palette.size()));
  auto exif = spec.exif;
  if (!exif.empty()) png_set_eXIf_1(png, info, static_cast<png_uint_32>(exif.size()), exif.data());
  png_write_info(png, info);
  const std::size_t row_bytes = png_get_rowbytes(png, info);
  if (rows.size() != row_bytes * static_cast<std::size_t>(spec.height)) throw std::logic_error("wrong number of bytes for the PNG");
  std::vector<png_bytep> pointers;
  for (int y = 0; y < spec.height; ++y) pointers.push_back(const_cast<png_bytep>(rows.data() + static_cast<std::size_t>(y) * row_bytes));
  png_write_image(png, pointers.data());
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return out;
}

ByteVector encode_any_jpeg(const JpegSpec& spec, const std::vector<std::uint8_t>& rows) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &buffer, &size);
  info.image_width = static_cast<JDIMENSION>(spec.width);
  info.image_height = static_cast<JDIMENSION>(spec.height);
  info.input_components = spec.components;
  info.in_color_space = spec.components == 1 ? JCS_GRAYSCALE : JCS_CMYK;
  jpeg_set_defaults(&info);
  if (spec.ycck) jpeg_set_colorspace(&info, JCS_YCCK);
  jpeg_set_quality(&info, 100, TRUE);
  if (spec.components == 4) info.write_Adobe_marker = spec.adobe ? TRUE : FALSE;
  jpeg_start_compress(&info, TRUE);
  const std::size_t row_bytes = static_cast<std::size_t>(spec.width) * static_cast<std::size_t>(spec.components);
  while (info.next_scanline < info.image_height) {
    auto* row = const_cast<JSAMPROW>(rows.data() + info.next_scanline * row_bytes);
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  ByteVector out;
  append(out, buffer, size);
  std::free(buffer);
  return out;
}

ByteVector encode_lossless_webp(const Image& image) {
  std::uint8_t* buffer = nullptr;
  const std::size_t size = WebPEncodeLosslessRGB(image.rgb.data(), image.width, image.height, 3 * image.width, &buffer);
  ByteVector out;
  append(out, buffer, size);
  WebPFree(buffer);
  return out;
}

ByteVector encode_bmp24(const Image& image, bool top_down) {
  const auto row = static_cast<std::uint32_t>((image.width * 3 + 3) / 4 * 4);
  const auto height = static_cast<std::uint32_t>(image.height);
  ByteVector out;
  append(out, "BM", 2);
  append_le(out, 54 + row * height, 4);
  append_le(out, 0, 4);
  append_le(out, 54, 4);
  append_le(out, 40, 4);
  append_le(out, static_cast<std::uint32_t>(image.width), 4);
  append_le(out, top_down ? 0u - height : height, 4);
  append_le(out, 1, 2);
  append_le(out, 24, 2);
  for (int i = 0; i < 6; ++i) append_le(out, 0, 4);
  for (int i = 0; i < image.height; ++i) {
    const int y = top_down ? i : image.height - 1 - i;
    for (int x = 0; x < image.width; ++x) {
      for (const int c : {2, 1, 0}) out.push_back(static_cast<std::byte>(image.pixel(x, y)[c]));
    }
    out.resize(54 + row * static_cast<std::size_t>(i + 1));
  }
  return out;
}

ByteVector encode_tga(const Image& image, int bits, bool top_down) {
  ByteVector out(18);
  out[2] = static_cast<std::byte>(bits == 8 ? 3 : 2);
  out[12] = static_cast<std::byte>(image.width);
  out[13] = static_cast<std::byte>(image.width >> 8);
  out[14] = static_cast<std::byte>(image.height);
  out[15] = static_cast<std::byte>(image.height >> 8);
  out[16] = static_cast<std::byte>(bits);
  out[17] = static_cast<std::byte>(top_down ? 0x20 : 0);
  for (int i = 0; i < image.height; ++i) {
    const int y = top_down ? i : image.height - 1 - i;
    for (int x = 0; x < image.width; ++x) {
      if (bits == 8) {
        out.push_back(static_cast<std::byte>(image.pixel(x, y)[0]));
      } else {
        for (const int c : {2, 1, 0}) out.push_back(static_cast<std::byte>(image.pixel(x, y)[c]));
      }
    }
  }
  return out;
}

ByteVector encode_ppm(const Image& image, const std::string& header_end) {
  const std::string header = "P6\n# a comment\n" + std::to_string(image.width) + " " + std::to_string(image.height) + header_end;
  ByteVector out;
  append(out, header.data(), header.size());
  append(out, image.rgb.data(), image.rgb.size());
  return out;
}

ByteVector encode_pgm(const Image& image) {
  const std::string header = "P5 " + std::to_string(image.width) + "\n" + std::to_string(image.height) + "\t255 ";
  ByteVector out;
  append(out, header.data(), header.size());
  for (std::size_t i = 0; i < image.rgb.size(); i += 3) out.push_back(static_cast<std::byte>(image.rgb[i]));
  return out;
}

std::vector<std::uint8_t> exif_block(int orientation, bool big_endian) {
  const auto low = static_cast<std::uint8_t>(orientation);
  if (big_endian) {
    return {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, low, 0, 0, 0, 0, 0, 0};
  }
  return {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, low, 0, 0, 0, 0, 0, 0, 0};
}

ByteVector with_exif(const ByteVector& jpeg, const std::vector<std::uint8_t>& block) {
  ByteVector out;
  append(out, jpeg.data(), 2);
  const std::size_t length = 2 + 6 + block.size();
  const std::uint8_t head[] = {0xff, 0xe1, static_cast<std::uint8_t>(length >> 8), static_cast<std::uint8_t>(length), 'E', 'x', 'i', 'f',
                               0,    0};
  append(out, head, sizeof(head));
  append(out, block.data(), block.size());
  append(out, jpeg.data() + 2, jpeg.size() - 2);
  return out;
}

ByteVector with_jpeg_size(ByteVector jpeg, int width, int height) {
  for (std::size_t i = 2; i + 9 < jpeg.size();) {
    const auto marker = std::to_integer<unsigned>(jpeg[i + 1]);
    if (marker >= 0xc0 && marker <= 0xc2) {
      jpeg[i + 5] = static_cast<std::byte>(height >> 8);
      jpeg[i + 6] = static_cast<std::byte>(height);
      jpeg[i + 7] = static_cast<std::byte>(width >> 8);
      jpeg[i + 8] = static_cast<std::byte>(width);
      return jpeg;
    }
    i += 2 + (std::to_integer<std::size_t>(jpeg[i + 2]) << 8) + std::to_integer<std::size_t>(jpeg[i + 3]);
  }
  throw std::logic_error("no frame header");
}

ByteVector with_png_size(ByteVector png, std::uint32_t width, std::uint32_t height) {
  put_be32(png.data() + 16, width);
  put_be32(png.data() + 20, height);
  put_be32(png.data() + 29, static_cast<std::uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(png.data()) + 12, 17)));
  return png;
}

}  // namespace sepia::test
