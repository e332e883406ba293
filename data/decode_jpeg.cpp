// JPEG by libjpeg-turbo, strictly: what the library calls a warning (and goes on with made-up pixels) is an error here.
#include <csetjmp>
#include <cstdio>
#include <cstring>
// jpeglib.h needs the two above it.
#include <jpeglib.h>

#include <jerror.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "data/decoders.h"
#include "engine/base/error.h"

namespace sepia::detail {

namespace {

/// A progressive file may hold any number of scans over the whole picture: a small file that takes hours. Real ones have
/// about ten.
constexpr int kMaxScans = 500;

// The quantisation table of the JPEG standard for luminance (ITU-T T.81, table K.1), in natural order; encoders scale it by quality.
constexpr int kStandardLuminance[64] = {16, 11, 10, 16, 24,  40,  51,  61,  12, 12, 14, 19, 26,  58,  60,  55,  14, 13, 16, 24, 40, 57,
                                        69, 56, 14, 17, 22,  29,  51,  87,  80, 62, 18, 22, 37,  56,  68,  109, 103, 77, 24, 35, 55, 64,
                                        81, 104, 113, 92, 49, 64,  78,  87, 103, 121, 120, 101, 72, 92, 95,  98,  112, 100, 103, 99};

/// The libjpeg quality whose scaled standard table is nearest to `table` (sum of absolute differences; the higher quality
/// of equals). Exact for files that libjpeg wrote, an estimate for others.
int estimate_quality(const JQUANT_TBL& table) {
  int best_quality = 0;
  long best_distance = std::numeric_limits<long>::max();
  for (int quality = 100; quality >= 1; --quality) {
    const int scale = quality < 50 ? 5000 / quality : 200 - 2 * quality;
    long distance = 0;
    for (int i = 0; i < 64; ++i) {
      const int value = std::clamp((kStandardLuminance[i] * scale + 50) / 100, 1, 255);
      distance += std::abs(value - static_cast<int>(table.quantval[i]));
    }
    if (distance < best_distance) {
      best_distance = distance;
      best_quality = quality;
    }
  }
  return best_quality;
}

/// One decompression. libjpeg reports errors by a call that must not return; we leave it by longjmp, so nothing between
/// setjmp and the library may own memory: everything that does is a member here.
class JpegDecoder {
 public:
  JpegDecoder(Bytes bytes, const std::string& name) : bytes_(bytes), name_(name) {
    info_.err = jpeg_std_error(&error_manager_);
    info_.client_data = this;
    error_manager_.error_exit = [](j_common_ptr info) { self(info).stop(info); };
    error_manager_.emit_message = [](j_common_ptr info, int level) {
      if (level < 0) self(info).stop(info);  // level -1 is a warning, 0 and above are trace messages
    };
    error_manager_.output_message = [](j_common_ptr) {};
    progress_.progress_monitor = [](j_common_ptr info) {
      auto* decompress = reinterpret_cast<j_decompress_ptr>(info);
      if (decompress->input_scan_number > kMaxScans) {
        self(info).too_many_scans_ = true;
        std::longjmp(self(info).jump_, 1);
      }
    };
  }
  ~JpegDecoder() { jpeg_destroy_decompress(&info_); }
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;

  RawImage decode() {
    if (!read_header()) fail_with_message();
    check_dimensions(info_.image_width, info_.image_height, "JPEG", name_);
    SEPIA_CHECK_KIND(info_.data_precision == 8, ErrorKind::kData, name_, ": JPEG with ", info_.data_precision,
                     " bits a channel is not read; convert it to 8");
    RawImage result;
    for (auto* marker = info_.marker_list; marker != nullptr && result.orientation == 1; marker = marker->next) {
      result.orientation = exif_orientation({reinterpret_cast<const std::byte*>(marker->data), marker->data_length});
    }
    result.image = Image(static_cast<int>(info_.image_width), static_cast<int>(info_.image_height));
    const bool four_channels = info_.jpeg_color_space == JCS_CMYK || info_.jpeg_color_space == JCS_YCCK;
    info_.out_color_space = four_channels ? JCS_CMYK : JCS_RGB;
    if (four_channels) cmyk_row_.resize(static_cast<std::size_t>(info_.image_width) * 4);
    image_ = &result.image;
    if (!read_pixels()) fail_with_message();
    if (info_.quant_tbl_ptrs[0] != nullptr) result.jpeg_quality = estimate_quality(*info_.quant_tbl_ptrs[0]);
    return result;
  }

 private:
  static JpegDecoder& self(j_common_ptr info) { return *static_cast<JpegDecoder*>(info->client_data); }

  [[noreturn]] void stop(j_common_ptr info) {
    const int code = info->err->msg_code;
    truncated_ = code == JWRN_JPEG_EOF || code == JERR_INPUT_EOF || code == JERR_INPUT_EMPTY;
    too_large_ = code == JERR_IMAGE_TOO_BIG;
    (*info->err->format_message)(info, message_);
    left_ = info_.src != nullptr ? info_.src->bytes_in_buffer : 0;
    std::longjmp(jump_, 1);
  }

  bool read_header() {
    if (setjmp(jump_) != 0) return false;
    jpeg_create_decompress(&info_);
    info_.progress = &progress_;
    jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(bytes_.data()), static_cast<unsigned long>(bytes_.size()));
    jpeg_save_markers(&info_, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&info_, TRUE);
    return true;
  }

  bool read_pixels() {
    if (setjmp(jump_) != 0) return false;
    jpeg_start_decompress(&info_);
    while (info_.output_scanline < info_.output_height) {
      const int y = static_cast<int>(info_.output_scanline);
      JSAMPROW row = cmyk_row_.empty() ? image_->pixel(0, y) : cmyk_row_.data();
      jpeg_read_scanlines(&info_, &row, 1);
      if (!cmyk_row_.empty()) convert_cmyk_row(image_->pixel(0, y));
    }
    jpeg_finish_decompress(&info_);  // reads up to the end marker, so that a file without it is found out
    return true;
  }

  /// RGB = (1 - CMY) (1 - K). Adobe's programs store 255 - C, M, Y, K and mark the file; others store them plainly.
  void convert_cmyk_row(std::uint8_t* rgb) const {
    const int flip = info_.saw_Adobe_marker ? 0 : 255;
    for (std::size_t x = 0; x < cmyk_row_.size() / 4; ++x) {
      const int white = cmyk_row_[4 * x + 3] ^ flip;
      for (std::size_t c = 0; c < 3; ++c) {
        const int light = cmyk_row_[4 * x + c] ^ flip;
        rgb[3 * x + c] = static_cast<std::uint8_t>((light * white + 127) / 255);
      }
    }
  }

  [[noreturn]] void fail_with_message() const {
    if (too_large_) fail(ErrorKind::kData, name_, ": JPEG is refused: ", message_);
    if (too_many_scans_) fail(ErrorKind::kData, name_, ": JPEG with more than ", kMaxScans, " scans is not read; save it anew");
    if (truncated_) fail(ErrorKind::kData, name_, ": JPEG truncated: the file ends at byte ", bytes_.size(), ", before the picture does");
    fail(ErrorKind::kData, name_, ": JPEG damaged near byte ", bytes_.size() - std::min(left_, bytes_.size()), " of ", bytes_.size(), ": ",
         message_);
  }

  Bytes bytes_;
  const std::string& name_;
  jpeg_decompress_struct info_{};
  jpeg_error_mgr error_manager_{};
  jpeg_progress_mgr progress_{};
  std::jmp_buf jump_{};
  char message_[JMSG_LENGTH_MAX] = {};
  bool truncated_ = false;
  bool too_large_ = false;
  bool too_many_scans_ = false;
  std::size_t left_ = 0;
  std::vector<std::uint8_t> cmyk_row_;
  Image* image_ = nullptr;
};

}  // namespace

RawImage decode_jpeg(Bytes bytes, const std::string& name) { return JpegDecoder(bytes, name).decode(); }

}  // namespace sepia::detail
