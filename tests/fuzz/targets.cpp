#include "tests/fuzz/targets.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "engine/base/error.h"
#include "engine/io/hdf5_protocol.h"
#include "engine/io/pickle.h"
#include "engine/io/safetensors.h"
#include "engine/io/state_dict.h"
#include "engine/io/torch_weights.h"
#include "engine/io/zip_reader.h"

namespace sepia::fuzz {
namespace {

/// Runs a reader: a refusal is one line of kData. Everything else ends the process, which is what a fuzzer looks for.
template <class Read>
void expect_sound(Read read) {
  try {
    read();
  } catch (const Error& error) {
    const bool one_line = std::string_view(error.what()).find('\n') == std::string_view::npos;
    if (error.kind() == ErrorKind::kData && one_line) return;
    std::fprintf(stderr, "refused otherwise than in one line of kData: %s\n", error.what());
    std::abort();
  }
}

/// Reads every byte, so that a span past the end is found.
unsigned sum(std::span<const std::byte> bytes) {
  unsigned result = 0;
  for (const std::byte value : bytes) result += std::to_integer<unsigned>(value);
  return result;
}

volatile unsigned g_sink = 0;

void use(const WeightFile& file, std::size_t source_bytes) {
  std::size_t total = 0;
  for (const FileTensor& tensor : file.tensors) {
    g_sink = g_sink + sum(tensor.data);
    total += tensor.data.size();
  }
  if (total > 2 * source_bytes) std::abort();
}

}  // namespace

void safetensors(std::span<const std::byte> bytes) {
  expect_sound([&] {
    const SafetensorsFile file = SafetensorsFile::parse({bytes.begin(), bytes.end()}, "f");
    for (const TensorEntry& entry : file.entries()) g_sink = g_sink + sum(file.data(entry));
  });
}

void pickle(std::span<const std::byte> bytes) {
  expect_sound([&] {
    const detail::Pickle read = detail::read_pickle(bytes, "f");
    static const std::array<std::byte, 256> kStorage{};
    WeightFile file;
    file.source = "f";
    detail::extract_state_dict(read, [](const detail::PickleStorage&) { return std::span<const std::byte>(kStorage); }, kStorage.size(), {}, file);
    use(file, kStorage.size());
  });
}

void zip(std::span<const std::byte> bytes) {
  expect_sound([&] {
    const detail::ZipArchive archive = detail::ZipArchive::parse(bytes, "f");
    std::size_t total = 0;
    for (const detail::ZipEntry& entry : archive.entries()) {
      total += entry.bytes;
      if (archive.find(entry.name) == nullptr) std::abort();
    }
    if (total > bytes.size()) std::abort();
    for (const detail::ZipEntry& entry : archive.entries()) g_sink = g_sink + sum(archive.data(entry));
  });
}

void torch_file(std::span<const std::byte> bytes) {
  expect_sound([&] {
    WeightFile file;
    file.source = "f";
    if (detail::is_zip(bytes)) {
      detail::read_torch_zip(bytes, {}, file);
    } else if (detail::is_torch_legacy(bytes)) {
      detail::read_torch_legacy(bytes, {}, file);
    }
    use(file, bytes.size());
  });
}

void hdf5_pipe(std::span<const std::byte> bytes) {
  expect_sound([&] {
    std::size_t at = 0;
    const detail::PipeSource pipe = [&](std::span<std::byte> part) {
      const std::size_t count = std::min(part.size(), bytes.size() - at);
      if (count > 0) std::memcpy(part.data(), bytes.data() + at, count);
      at += count;
      return count;
    };
    const detail::Hdf5Contents contents = detail::read_hdf5_stream(pipe, "f", {.tensor_bytes = bytes.size() + 4096});
    for (const FileTensor& tensor : contents.tensors) g_sink = g_sink + sum(tensor.data);
  });
}

}  // namespace sepia::fuzz
