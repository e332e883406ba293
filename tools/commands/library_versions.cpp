#include "tools/commands/library_versions.h"

#include <cairo.h>
#include <fmt/format.h>
#include <jconfig.h>
#include <openssl/crypto.h>
#include <png.h>
#include <webp/decode.h>

#include <oneapi/dnnl/dnnl.hpp>

namespace sepia::cli {

std::vector<std::pair<std::string, std::string>> library_versions() {
  const dnnl_version_t* dnnl = dnnl_version();
  const int webp = WebPGetDecoderVersion();
  return {
      {"oneDNN", fmt::format("{}.{}.{}", dnnl->major, dnnl->minor, dnnl->patch)},
      {"Highway", SEPIA_HIGHWAY_VERSION},
      {"libjpeg-turbo", fmt::format("{}.{}.{}", LIBJPEG_TURBO_VERSION_NUMBER / 1000000, LIBJPEG_TURBO_VERSION_NUMBER / 1000 % 1000,
                                    LIBJPEG_TURBO_VERSION_NUMBER % 1000)},
      {"libpng", png_get_libpng_ver(nullptr)},
      {"libwebp", fmt::format("{}.{}.{}", webp >> 16, webp >> 8 & 0xff, webp & 0xff)},
      {"cairo", cairo_version_string()},
      {"OpenSSL", OpenSSL_version(OPENSSL_VERSION_STRING)},
  };
}

}  // namespace sepia::cli
