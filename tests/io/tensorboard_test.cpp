// TensorBoard event files, read back by a decoder of their own (bit-wise checksum, no table, no shared code).
#include "engine/io/tensorboard.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <vector>

#include "engine/base/error.h"

namespace sepia {
namespace {

struct Scalar {
  std::string tag;
  std::int64_t step = 0;
  float value = 0;
  double wall_time = 0;
};

std::uint32_t slow_masked_crc(const std::string& bytes) {
  std::uint32_t crc = 0xFFFFFFFF;
  for (const char c : bytes) {
    for (int bit = 0; bit < 8; ++bit) {
      const std::uint32_t in = (static_cast<unsigned char>(c) >> bit ^ crc) & 1;
      crc >>= 1;
      if (in != 0) crc ^= 0x82F63B78;
    }
  }
  crc = ~crc;
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8;
}

// Reads one message into (field, payload) pairs; varints and fixed numbers come as their 8 or 4 bytes.
std::vector<std::pair<int, std::string>> fields(const std::string& message) {
  std::vector<std::pair<int, std::string>> out;
  std::size_t at = 0;
  const auto varint = [&] {
    std::uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(message.at(at++));
      value |= std::uint64_t{byte & 0x7Fu} << shift;
      if (byte < 128) return value;
    }
  };
  while (at < message.size()) {
    const std::uint64_t key = varint();
    std::string payload;
    switch (key & 7) {
      case 0: {
        const std::uint64_t value = varint();
        payload.assign(reinterpret_cast<const char*>(&value), 8);
        break;
      }
      case 1: payload = message.substr(at, 8), at += 8; break;
      case 2: {
        const std::size_t size = varint();
        payload = message.substr(at, size), at += size;
        break;
      }
      case 5: payload = message.substr(at, 4), at += 4; break;
      default: ADD_FAILURE() << "wire type " << (key & 7);
    }
    out.emplace_back(static_cast<int>(key >> 3), payload);
  }
  return out;
}

template <class T>
T as(const std::string& bytes) {
  T value;
  EXPECT_EQ(bytes.size(), sizeof value);
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

std::string contents(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

// All scalars of a file; checks framing, checksums and the version event on the way.
std::vector<Scalar> decode(const std::filesystem::path& file) {
  const std::string bytes = contents(file);
  std::vector<Scalar> out;
  for (std::size_t at = 0; at < bytes.size();) {
    const auto size = as<std::uint64_t>(bytes.substr(at, 8));
    EXPECT_EQ(as<std::uint32_t>(bytes.substr(at + 8, 4)), slow_masked_crc(bytes.substr(at, 8)));
    const std::string event = bytes.substr(at + 12, size);
    EXPECT_EQ(as<std::uint32_t>(bytes.substr(at + 12 + size, 4)), slow_masked_crc(event));
    Scalar scalar;
    bool version = false;
    for (const auto& [field, payload] : fields(event)) {
      if (field == 1) scalar.wall_time = as<double>(payload);
      if (field == 2) scalar.step = as<std::int64_t>(payload);
      if (field == 3) version = payload == "brain.Event:2";
      if (field != 5) continue;
      for (const auto& [inner, point] : fields(payload)) {
        EXPECT_EQ(inner, 1);
        for (const auto& [leaf, value] : fields(point)) {
          if (leaf == 1) scalar.tag = value;
          if (leaf == 2) scalar.value = as<float>(value);
        }
      }
    }
    EXPECT_EQ(version, at == 0) << "the version comes first, and once";
    if (!version) out.push_back(scalar);
    at += 16 + size;
  }
  return out;
}

class Tensorboard : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) / ("sepia_tensorboard_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
    file_ = folder_ / kTensorboardFileName;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_, file_;
};

std::uint32_t crc_of(const std::string& text) { return crc32c(std::as_bytes(std::span(text.data(), text.size()))); }

// RFC 3720, appendix B.4, and the check value of the catalogue of CRCs.
TEST(Crc32c, KnownAnswers) {
  EXPECT_EQ(crc_of("123456789"), 0xE3069283u);
  EXPECT_EQ(crc_of(""), 0u);
  EXPECT_EQ(crc_of(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(crc_of(std::string(32, '\xFF')), 0x62A8AB43u);
  std::string rising;
  for (int i = 0; i < 32; ++i) rising += static_cast<char>(i);
  EXPECT_EQ(crc_of(rising), 0x46DD794Eu);
}

TEST_F(Tensorboard, ScalarsReadBack) {
  {
    EventWriter writer(file_);
    writer.add_scalar("loss/train", 1, 0.6931, 1700000000.25);
    writer.add_scalar("loss/train", 300, -1e30, 1700000001.5);
    writer.add_scalar("größe", std::int64_t{1} << 40, std::numeric_limits<double>::quiet_NaN(), 0);
  }
  const auto scalars = decode(file_);
  ASSERT_EQ(scalars.size(), 3u);
  EXPECT_EQ(scalars[0].tag, "loss/train");
  EXPECT_EQ(scalars[0].step, 1);
  EXPECT_EQ(scalars[0].value, 0.6931f);
  EXPECT_EQ(scalars[0].wall_time, 1700000000.25);
  EXPECT_EQ(scalars[1].step, 300);
  EXPECT_EQ(scalars[1].value, -1e30f);
  EXPECT_EQ(scalars[2].tag, "größe");
  EXPECT_EQ(scalars[2].step, std::int64_t{1} << 40);
  EXPECT_TRUE(std::isnan(scalars[2].value));
}

TEST_F(Tensorboard, FlushMakesWholeRecordsVisible) {
  EventWriter writer(file_);
  EXPECT_EQ(decode(file_).size(), 0u);
  writer.add_scalar("a", 1, 1, 0);
  writer.flush();
  EXPECT_EQ(decode(file_).size(), 1u);
}

TEST_F(Tensorboard, ContinuingDropsLaterStepsAndATornRecord) {
  {
    EventWriter writer(file_);
    for (int step = 1; step <= 5; ++step) writer.add_scalar("a", step, step, 0);
  }
  std::filesystem::resize_file(file_, std::filesystem::file_size(file_) - 3);
  {
    EventWriter writer = EventWriter::continue_after(file_, 3);
    writer.add_scalar("a", 4, 40, 0);
  }
  const auto scalars = decode(file_);
  ASSERT_EQ(scalars.size(), 4u);
  EXPECT_EQ(scalars[2].value, 3.0f);
  EXPECT_EQ(scalars[3].value, 40.0f);
}

TEST_F(Tensorboard, ContinuingAMissingOrEmptyFileStartsIt) {
  EventWriter::continue_after(file_, 10).add_scalar("a", 11, 1, 0);
  EXPECT_EQ(decode(file_).size(), 1u);
  std::filesystem::resize_file(file_, 0);
  EventWriter::continue_after(file_, 10).add_scalar("a", 11, 1, 0);
  EXPECT_EQ(decode(file_).size(), 1u);
}

TEST_F(Tensorboard, DamageBeforeTheEndIsNamed) {
  { EventWriter(file_).add_scalar("a", 1, 1, 0); }
  std::string bytes = contents(file_);
  for (const std::size_t at : {std::size_t{2}, std::size_t{9}, std::size_t{20}}) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    std::ofstream(file_, std::ios::binary) << damaged;
    try {
      EventWriter::continue_after(file_, 10);
      ADD_FAILURE() << "damage at byte " << at << " was not seen";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      EXPECT_NE(std::string(error.what()).find("damaged at byte 0"), std::string::npos) << error.what();
    }
  }
}

TEST_F(Tensorboard, UnwritablePlacesAreNamed) {
  try {
    EventWriter writer(folder_ / "missing" / "events");
    ADD_FAILURE() << "opened a file in a missing folder";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kPath);
    EXPECT_NE(std::string(error.what()).find("missing"), std::string::npos);
  }
  EXPECT_THROW(EventWriter("/dev/full"), Error);
}

}  // namespace
}  // namespace sepia
