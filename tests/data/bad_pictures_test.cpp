// F5 and F6: damaged, hostile and strange files are refused with a message that names them; none crashes.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>

#include "data/image_read.h"
#include "data/image_write.h"
#include "engine/base/error.h"
#include "engine/base/random.h"
#include "tests/data/test_encoders.h"
#include "tests/data/test_pictures.h"
#include "tests/support/temporary_folder.h"

namespace sepia {
namespace {

using test::ByteVector;

/// Runs `read`; returns the message of the Error that it must throw, of that kind and beginning with `name`.
std::string refusal(const std::string& name, ErrorKind kind, const std::function<void()>& read) {
  try {
    read();
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(error.kind(), kind) << message;
    EXPECT_TRUE(message.starts_with(name)) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    return message;
  }
  ADD_FAILURE() << name << " was accepted";
  return "";
}

/// While it lives, a process of root's has the rights of user "nobody".
struct AsNobody {
  AsNobody() { changed = geteuid() == 0 && seteuid(65534) == 0; }
  ~AsNobody() {
    if (changed && seteuid(0) != 0) std::abort();
  }
  bool changed = false;
};

std::string refusal_of(const ByteVector& bytes) {
  return refusal("some.jpg", ErrorKind::kData, [&] { decode_image(bytes, "some.jpg"); });
}

struct Kind {
  const char* name;
  ByteVector bytes;
};

std::vector<Kind> damaged_kinds() {
  const Image image = test::make_picture(96, 80);
  return {{"JPEG", encode_jpeg(image, {.quality = 90})},
          {"progressive JPEG", encode_jpeg(image, {.quality = 90, .progressive = true})},
          {"PNG", encode_png(image)}};
}

TEST(BadPictures, EveryOneOf1000TruncationsIsFlagged) {
  for (const auto& [name, bytes] : damaged_kinds()) {
    int flagged = 0;
    RandomStream random(11, RandomPurpose::kTest);
    for (int i = 0; i < 1000; ++i) {
      // The last 200 bytes one by one (end markers, checksums), the rest at random.
      const std::size_t length =
          i < 200 ? bytes.size() - 1 - static_cast<std::size_t>(i) : random.below(static_cast<std::uint32_t>(bytes.size()));
      try {
        decode_image(std::span(bytes).first(length), "cut");
        ADD_FAILURE() << name << " cut to " << length << " of " << bytes.size() << " bytes was accepted";
      } catch (const Error& error) {
        flagged += error.kind() == ErrorKind::kData;
      }
    }
    EXPECT_EQ(flagged, 1000) << name;
    std::cout << name << ": " << flagged << " of 1000 truncations flagged\n";
  }
}

TEST(BadPictures, OneThousandBitFlipsAreFlaggedOrDecodedButNeverCrash) {
  for (const auto& [name, bytes] : damaged_kinds()) {
    int flagged = 0, decoded = 0;
    RandomStream random(12, RandomPurpose::kTest);
    for (int i = 0; i < 1000; ++i) {
      ByteVector damaged = bytes;
      const std::uint32_t bit = random.below(static_cast<std::uint32_t>(8 * bytes.size()));
      damaged[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
      try {
        const Image image = decode_image(damaged, "flipped");
        decoded += image.rgb.size() == static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height) * 3;
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kData) << error.what();
        ++flagged;
      }
    }
    EXPECT_EQ(flagged + decoded, 1000) << name;
    if (std::string(name) == "PNG") {
      EXPECT_EQ(flagged, 1000) << "a PNG has checksums over all it holds";
    }
    std::cout << name << ": " << flagged << " of 1000 bit flips flagged, " << decoded << " decoded to other pixels\n";
  }
}

TEST(BadPictures, OtherFormatsFlagEveryTruncation) {
  const Image image = test::make_picture(9, 7);
  const Kind kinds[] = {{"WebP", test::encode_lossless_webp(image)},
                        {"BMP", test::encode_bmp24(image)},
                        {"TGA", test::encode_tga(image)},
                        {"PPM", test::encode_ppm(image)},
                        {"PGM", test::encode_pgm(image)}};
  for (const auto& [name, bytes] : kinds) {
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      // BMP rows are padded at the end: a missing pad byte is a truncation too.
      EXPECT_THROW(decode_image(std::span(bytes).first(length), name), Error) << name << " of " << length << " bytes";
    }
    for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      ByteVector damaged = bytes;
      damaged[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
      try {
        decode_image(damaged, name);
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kData) << error.what();
      }
    }
  }
}

TEST(BadPictures, EmptyAndForeignBytes) {
  EXPECT_NE(refusal_of({}).find("empty"), std::string::npos);
  const std::string text = "This is a text, called .png by mistake.\n";
  const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
  EXPECT_NE(refusal_of({bytes, bytes + text.size()}).find("not a picture"), std::string::npos);
  EXPECT_NE(refusal_of(ByteVector(1000)).find("not a picture"), std::string::npos);
}

TEST(BadPictures, HugeHeadersAreRefusedBeforeMemoryIsAsked) {
  const Image image = test::make_picture(16, 16);
  for (const int side : {65535, 65500, 8193}) {
    EXPECT_NE(refusal_of(test::with_jpeg_size(encode_jpeg(image), side, side)).find("refused"), std::string::npos);
    EXPECT_NE(refusal_of(test::with_jpeg_size(encode_jpeg(image, {.progressive = true}), side, side)).find("refused"), std::string::npos);
    EXPECT_NE(refusal_of(test::with_png_size(encode_png(image), 65535, 65535)).find("refused"), std::string::npos);
  }
  EXPECT_NE(refusal_of(test::with_png_size(encode_png(image), 0x7fffffff, 0x7fffffff)).find("refused"), std::string::npos);
  refusal_of(test::with_png_size(encode_png(image), 0, 16));
  ByteVector tga = test::encode_tga(image);
  tga[12] = tga[13] = tga[14] = tga[15] = std::byte{0xff};
  EXPECT_NE(refusal_of(tga).find("refused"), std::string::npos);
  refusal_of(test::encode_ppm(image, "99999\n255\n"));
}

TEST(BadPictures, KindsThatAreNotReadSayWhichAreRead) {
  const Image image = test::make_picture(8, 8);
  EXPECT_NE(refusal_of(test::encode_ppm(image, "\n65535\n")).find("only 255"), std::string::npos)
      << "16-bit PNM: old stb_image reads past its end";
  ByteVector rle = test::encode_tga(image);
  rle[2] = std::byte{10};
  EXPECT_NE(refusal_of(rle).find("uncompressed"), std::string::npos);
  ByteVector bmp = test::encode_bmp24(image);
  bmp[30] = std::byte{1};
  EXPECT_NE(refusal_of(bmp).find("compression 1"), std::string::npos);
}

TEST(BadPictures, PathsThatAreNoPictures) {
  const test::TemporaryFolder folder;
  const auto refused = [&](const char* name, ErrorKind kind) {
    return refusal((folder / name).string(), kind, [&] { read_image(folder / name); });
  };
  refused("missing.jpg", ErrorKind::kPath);

  std::filesystem::create_directory(folder / "folder.jpg");
  EXPECT_NE(refused("folder.jpg", ErrorKind::kData).find("folder"), std::string::npos);

  ASSERT_EQ(mkfifo((folder / "pipe.jpg").c_str(), 0600), 0);
  EXPECT_NE(refused("pipe.jpg", ErrorKind::kData).find("regular"), std::string::npos) << "and did not wait for a writer";

  std::ofstream(folder / "empty.jpg").close();
  EXPECT_NE(refused("empty.jpg", ErrorKind::kData).find("empty"), std::string::npos);

  std::filesystem::create_symlink("loop_b.jpg", folder / "loop_a.jpg");
  std::filesystem::create_symlink("loop_a.jpg", folder / "loop_b.jpg");
  refused("loop_a.jpg", ErrorKind::kPath);

  std::filesystem::create_symlink("nowhere.jpg", folder / "dangling.jpg");
  refused("dangling.jpg", ErrorKind::kPath);
}

TEST(BadPictures, NoPermission) {
  const test::TemporaryFolder folder;
  write_png(folder / "secret.png", test::make_picture(4, 4));
  std::filesystem::permissions(folder / "secret.png", std::filesystem::perms::none);
  std::filesystem::permissions(folder.path(), std::filesystem::perms(0755));
  const AsNobody as_nobody;  // root may read everything
  EXPECT_NE(refusal((folder / "secret.png").string(), ErrorKind::kPath, [&] { read_image(folder / "secret.png"); }).find("ermission"),
            std::string::npos);
}

TEST(BadPictures, ProgressiveFileOfEndlessScansIsRefused) {
  // A scan that refines nothing costs a pass over the picture for some twenty bytes; repeat the last one a thousand times.
  const ByteVector bytes = encode_jpeg(test::make_picture(16, 16), {.progressive = true});
  std::size_t last_scan = 0;
  for (std::size_t i = 0; i + 1 < bytes.size(); ++i) {
    if (bytes[i] == std::byte{0xff} && bytes[i + 1] == std::byte{0xda}) last_scan = i;
  }
  ByteVector bomb(bytes.begin(), bytes.end() - 2);
  for (int i = 0; i < 1000; ++i) bomb.insert(bomb.end(), bytes.begin() + static_cast<std::ptrdiff_t>(last_scan), bytes.end() - 2);
  bomb.insert(bomb.end(), bytes.end() - 2, bytes.end());
  refusal_of(bomb);
}

}  // namespace
}  // namespace sepia
