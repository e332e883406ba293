#include "engine/io/weight_file.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/sha256.h"
#include "engine/io/hdf5_process.h"
#include "engine/io/safetensors_header.h"
#include "engine/io/torch_weights.h"

namespace sepia {
namespace {

using namespace std::string_view_literals;

bool begins_with(std::span<const std::byte> bytes, std::string_view magic) {
  return bytes.size() >= magic.size() &&
         std::equal(magic.begin(), magic.end(), bytes.begin(), [](char a, std::byte b) { return std::byte(a) == b; });
}

/// The signature stands at the beginning or, behind a user block, at 512, 1024, 2048, ... bytes.
bool is_hdf5(std::span<const std::byte> bytes) {
  constexpr std::string_view kSignature = "\x89HDF\r\n\x1a\n"sv;
  if (begins_with(bytes, kSignature)) return true;
  for (std::size_t at = 512; at < bytes.size(); at *= 2) {
    if (begins_with(bytes.subspan(at), kSignature)) return true;
  }
  return false;
}

void read_safetensors(std::vector<std::byte> bytes, WeightFile& file) {
  const SafetensorsFile parsed = SafetensorsFile::parse(std::move(bytes), file.source);
  for (const TensorEntry& entry : parsed.entries()) {
    const auto data = parsed.data(entry);
    file.tensors.push_back({entry.name, entry.dtype, entry.shape, {data.begin(), data.end()}});
  }
  file.metadata = parsed.metadata();
  for (const auto& [key, value] : parsed.metadata()) {
    const std::string name = detail::printable(key), text = detail::printable(value);
    file.notes.emplace_back(name.substr(1, name.size() - 2), text.substr(1, text.size() - 2));
  }
}

/// An optimiser's tensors stand among the others in HDF5 ("optimizer_weights/...") and in our own checkpoints ("optim....").
void skip_training_state(WeightFile& file) {
  std::erase_if(file.tensors, [&](const FileTensor& tensor) {
    const std::string part = tensor.name.substr(0, tensor.name.find_first_of("/."));
    if (!is_training_state(part)) return false;
    if (std::find(file.skipped.begin(), file.skipped.end(), part) == file.skipped.end()) file.skipped.push_back(part);
    return true;
  });
}

}  // namespace

const char* format_name(WeightFile::Format format) {
  switch (format) {
    case WeightFile::Format::kSafetensors: return "a safetensors file";
    case WeightFile::Format::kTorchZip: return "a PyTorch file (ZIP)";
    case WeightFile::Format::kTorchLegacy: return "a PyTorch file (legacy stream)";
    case WeightFile::Format::kHdf5: return "a Keras file (HDF5)";
  }
  return "?";
}

bool is_training_state(std::string_view name) {
  constexpr std::array<std::string_view, 14> kNames{"optim",     "optimizer",    "optimizer_state_dict", "optimizer_weights", "optimiser",
                                                    "scheduler", "lr_scheduler", "scheduler_state_dict", "scaler",            "amp",
                                                    "amp_scaler", "grad_scaler", "optimizers",           "optimizer_state"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

WeightFile read_weight_file(const std::filesystem::path& path, const WeightFileOptions& options) {
  WeightFile file;
  file.source = path.string();
  std::vector<std::byte> bytes = read_file(path, SafetensorsFile::kMaxFileBytes);
  file.sha256 = sha256_hex(bytes);
  if (detail::is_zip(bytes)) {
    detail::read_torch_zip(bytes, options, file);
  } else if (detail::is_torch_legacy(bytes)) {
    detail::read_torch_legacy(bytes, options, file);
  } else {
    SEPIA_CHECK_KIND(options.key.empty(), ErrorKind::kData, file.source, ": --key is for PyTorch checkpoints, which this file is not");
    if (is_hdf5(bytes)) {
      bytes = {};
      detail::Hdf5Contents contents = detail::read_hdf5(path);
      file.format = WeightFile::Format::kHdf5;
      file.tensors = std::move(contents.tensors);
      file.notes = std::move(contents.notes);
      file.skipped = std::move(contents.skipped);
    } else {
      SEPIA_CHECK_KIND(!begins_with(bytes, "\x80"sv), ErrorKind::kData, file.source,
                       ": is a Python pickle that torch.save did not write as a checkpoint; in Python, torch.save(model.state_dict(), NEW)");
      read_safetensors(std::move(bytes), file);
    }
  }
  skip_training_state(file);
  SEPIA_CHECK_KIND(!file.tensors.empty(), ErrorKind::kData, file.source, ": holds no tensors");
  return file;
}

}  // namespace sepia
