// PNG by libpng, strictly: a warning is an error (but one about EXIF data). Chunks that do not change the pixels' values (colour
// profiles, texts, times: where real files are often sloppy) are skipped; their checksums are still verified.
#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>

#include "data/decoders.h"
#include "engine/base/error.h"

namespace sepia::detail {

namespace {

/// One decompression. libpng leaves errors by longjmp, so everything that owns memory is a member (see decode_jpeg.cpp).
class PngDecoder {
 public:
  PngDecoder(Bytes bytes, const std::string& name) : bytes_(bytes), name_(name) {}
  ~PngDecoder() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngDecoder(const PngDecoder&) = delete;
  PngDecoder& operator=(const PngDecoder&) = delete;

  RawImage decode() {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_problem, on_warning);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    SEPIA_CHECK_KIND(info_ != nullptr, ErrorKind::kMemory, name_, ": out of memory for reading a PNG");
    if (!read_header()) fail_with_message();
    check_dimensions(width_, height_, "PNG", name_);
    RawImage result;
    result.image = Image(static_cast<int>(width_), static_cast<int>(height_));
    rows_.resize(height_);
    for (std::size_t y = 0; y < rows_.size(); ++y) rows_[y] = result.image.pixel(0, static_cast<int>(y));
    if (!read_pixels()) fail_with_message();
    if (exif_ != nullptr) result.orientation = exif_orientation_without_prefix({reinterpret_cast<const std::byte*>(exif_), exif_size_});
    return result;
  }

 private:
  [[noreturn]] static void on_problem(png_structp png, png_const_charp message) {
    auto& self = *static_cast<PngDecoder*>(png_get_error_ptr(png));
    std::strncpy(self.message_, message, sizeof(self.message_) - 1);
    std::longjmp(self.jump_, 1);
  }

  /// Some versions of libpng write the EXIF chunk twice; the pixels are as good as any.
  static void on_warning(png_structp png, png_const_charp message) {
    if (std::strncmp(message, "eXIf", 4) != 0) on_problem(png, message);
  }

  static void on_read(png_structp png, png_bytep out, std::size_t count) {
    auto& self = *static_cast<PngDecoder*>(png_get_io_ptr(png));
    if (count > self.bytes_.size() - self.position_) {
      self.truncated_ = true;
      std::longjmp(self.jump_, 1);
    }
    std::memcpy(out, self.bytes_.data() + self.position_, count);
    self.position_ += count;
  }

  bool read_header() {
    if (setjmp(jump_) != 0) return false;
    png_set_read_fn(png_, this, on_read);
    png_set_crc_action(png_, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_set_user_limits(png_, 0x7fffffff, 0x7fffffff);  // check_dimensions says it better
    static constexpr png_byte kSkipped[] =
        "bKGD\0cHRM\0gAMA\0hIST\0iCCP\0iTXt\0oFFs\0pCAL\0pHYs\0sBIT\0sCAL\0sPLT\0sRGB\0sTER\0tEXt\0tIME\0zTXt";
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, kSkipped, sizeof(kSkipped) / 5);
    png_read_info(png_, info_);
    width_ = png_get_image_width(png_, info_);
    height_ = png_get_image_height(png_, info_);
    return true;
  }

  bool read_pixels() {
    if (setjmp(jump_) != 0) return false;
    png_set_scale_16(png_);
    png_set_palette_to_rgb(png_);
    png_set_gray_to_rgb(png_);
    if (png_get_bit_depth(png_, info_) < 8) png_set_packing(png_);
    if (png_get_color_type(png_, info_) == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png_);
    png_set_strip_alpha(png_);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    if (png_get_rowbytes(png_, info_) != std::size_t{3} * width_) png_error(png_, "unexpected row size");
    png_read_image(png_, rows_.data());
    png_read_end(png_, info_);
    png_get_eXIf_1(png_, info_, &exif_size_, &exif_);
    return true;
  }

  [[noreturn]] void fail_with_message() const {
    if (truncated_) fail(ErrorKind::kData, name_, ": PNG truncated: the file ends at byte ", bytes_.size(), ", before the picture does");
    fail(ErrorKind::kData, name_, ": PNG damaged near byte ", position_, " of ", bytes_.size(), ": ", message_);
  }

  Bytes bytes_;
  const std::string& name_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::jmp_buf jump_{};
  char message_[128] = {};
  std::size_t position_ = 0;
  bool truncated_ = false;
  png_uint_32 width_ = 0;
  png_uint_32 height_ = 0;
  std::vector<png_bytep> rows_;
  png_uint_32 exif_size_ = 0;
  png_bytep exif_ = nullptr;
};

}  // namespace

RawImage decode_png(Bytes bytes, const std::string& name) { return PngDecoder(bytes, name).decode(); }

}  // namespace sepia::detail
