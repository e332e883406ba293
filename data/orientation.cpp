// EXIF orientation: which way up the camera was held (Exif 2.3, tag 0x0112).
#include <libexif/exif-data.h>

#include <cstring>
#include <memory>
#include <vector>

#include "data/decoders.h"

namespace sepia::detail {

namespace {

constexpr char kPrefix[] = {'E', 'x', 'i', 'f', '\0', '\0'};

}  // namespace

int exif_orientation(Bytes block) {
  if (block.size() < sizeof(kPrefix) || std::memcmp(block.data(), kPrefix, sizeof(kPrefix)) != 0) return 1;
  const std::unique_ptr<ExifData, void (*)(ExifData*)> data(exif_data_new(), exif_data_unref);
  if (!data) return 1;
  exif_data_unset_option(data.get(), EXIF_DATA_OPTION_FOLLOW_SPECIFICATION);  // read what is there, do not repair it
  exif_data_load_data(data.get(), reinterpret_cast<const unsigned char*>(block.data()), static_cast<unsigned>(block.size()));
  const ExifEntry* entry = exif_content_get_entry(data->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION);
  if (entry == nullptr || entry->format != EXIF_FORMAT_SHORT || entry->components != 1 || entry->size < 2) return 1;
  const int orientation = exif_get_short(entry->data, exif_data_get_byte_order(data.get()));
  return orientation >= 1 && orientation <= 8 ? orientation : 1;
}

int exif_orientation_without_prefix(Bytes block) {
  if (block.empty() || block.size() > 0x100000) return 1;  // an EXIF block is at most 64 KiB in a JPEG; more is not a camera's
  std::vector<std::byte> prefixed(sizeof(kPrefix) + block.size());
  std::memcpy(prefixed.data(), kPrefix, sizeof(kPrefix));
  std::memcpy(prefixed.data() + sizeof(kPrefix), block.data(), block.size());
  return exif_orientation(prefixed);
}

Image apply_orientation(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const bool transposed = orientation >= 5;
  const int w = image.width, h = image.height;
  Image upright(transposed ? h : w, transposed ? w : h);
  // The stored row 0 is the picture's: 2 top (mirrored), 3 bottom, 4 bottom (mirrored), 5 left, 6 right, 7 right (mirrored), 8 left.
  for (int y = 0; y < upright.height; ++y) {
    for (int x = 0; x < upright.width; ++x) {
      int from_x = x, from_y = y;
      switch (orientation) {
        case 2: from_x = w - 1 - x; break;
        case 3: from_x = w - 1 - x; from_y = h - 1 - y; break;
        case 4: from_y = h - 1 - y; break;
        case 5: from_x = y; from_y = x; break;
        case 6: from_x = y; from_y = h - 1 - x; break;
        case 7: from_x = w - 1 - y; from_y = h - 1 - x; break;
        case 8: from_x = w - 1 - y; from_y = x; break;
        default: break;
      }
      std::memcpy(upright.pixel(x, y), image.pixel(from_x, from_y), 3);
    }
  }
  return upright;
}

}  // namespace sepia::detail
