#include "engine/io/torch_weights.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>

#include "engine/base/error.h"
#include "engine/io/byte_reader.h"
#include "engine/io/pickle.h"
#include "engine/io/safetensors_header.h"
#include "engine/io/state_dict.h"
#include "engine/io/zip_reader.h"

namespace sepia::detail {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kPickleName = "/data.pkl";
/// The pickle of 0x1950a86a20f9469cfc6c with protocol 2.
constexpr std::string_view kLegacyMagic = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e"sv;
constexpr std::int64_t kLegacyProtocol = 1001;

bool begins_with(std::span<const std::byte> bytes, std::string_view magic) {
  return bytes.size() >= magic.size() &&
         std::equal(magic.begin(), magic.end(), bytes.begin(), [](char a, std::byte b) { return std::byte(a) == b; });
}

std::string_view as_text(std::span<const std::byte> bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

std::uint64_t storage_size(const PickleStorage& storage, std::string_view source) {
  SEPIA_CHECK_KIND(storage.elements <= SafetensorsFile::kMaxFileBytes / storage.element_size, ErrorKind::kData, source, ": storage ", printable(storage.key),
                   " of ", storage.elements, " elements is larger than a file can be");
  return storage.elements * storage.element_size;
}

void check_size(const PickleStorage& storage, std::uint64_t bytes, std::string_view source) {
  SEPIA_CHECK_KIND(storage_size(storage, source) == bytes, ErrorKind::kData, source, ": storage ", printable(storage.key), " should have ", storage.elements,
                   " elements of ", storage.element_size, " bytes, the file holds ", bytes, " bytes of it");
}

/// The folder of the archive's one data.pkl, with its slash.
std::string archive_folder(const ZipArchive& archive, std::string_view source) {
  std::string folder;
  for (const ZipEntry& entry : archive.entries()) {
    if (entry.name.ends_with("/constants.pkl") || entry.name.find("/code/") != std::string::npos) {
      fail(ErrorKind::kData, source, ": is a TorchScript program, which holds code; in Python, torch.save(torch.jit.load(PATH).state_dict(), NEW)");
    }
    if (!entry.name.ends_with(kPickleName)) continue;
    SEPIA_CHECK_KIND(folder.empty(), ErrorKind::kData, source, ": holds two pickles, ", printable(folder + "data.pkl"), " and ", printable(entry.name));
    folder = entry.name.substr(0, entry.name.size() - kPickleName.size() + 1);
  }
  SEPIA_CHECK_KIND(!folder.empty(), ErrorKind::kData, source, ": is a ZIP archive without a data.pkl; torch.save writes one",
                   archive.find("config.json") != nullptr ? " (a .keras file: unpack its model.weights.h5 and give that)" : "");
  return folder;
}

/// What stands in the legacy stream after its magic number and protocol.
void check_system(const Pickle& system, std::string_view source) {
  SEPIA_CHECK_KIND(system.top().kind == PickleKind::kDict, ErrorKind::kData, source, ": the third pickle does not describe a system");
  const auto& items = system.top().items;
  for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
    const bool is_order = system.at(items[i]).text == "little_endian";
    const bool big = is_order && system.at(items[i + 1]).integer == 0;
    SEPIA_CHECK_KIND(!big, ErrorKind::kData, source, ": was written on a big-endian machine; only little-endian files are read");
  }
}

}  // namespace

bool is_zip(std::span<const std::byte> bytes) { return begins_with(bytes, "PK\x03\x04"sv); }
bool is_torch_legacy(std::span<const std::byte> bytes) { return begins_with(bytes, kLegacyMagic); }

void read_torch_zip(std::span<const std::byte> bytes, const WeightFileOptions& options, WeightFile& file) {
  file.format = WeightFile::Format::kTorchZip;
  const ZipArchive archive = ZipArchive::parse(bytes, file.source);
  const std::string folder = archive_folder(archive, file.source);
  if (const ZipEntry* order = archive.find(folder + "byteorder")) {
    SEPIA_CHECK_KIND(as_text(archive.data(*order)) == "little", ErrorKind::kData, file.source, ": byte order is ", printable(as_text(archive.data(*order))),
                     "; only little-endian files are read");
  }
  const Pickle pickle = read_pickle(archive.data(*archive.find(folder + "data.pkl")), file.source);
  std::map<const ZipEntry*, std::span<const std::byte>> checked;  // a storage may hold many tensors: one checksum is enough
  const StorageBytes storage_bytes = [&](const PickleStorage& storage) {
    const ZipEntry* entry = archive.find(folder + "data/" + std::string(storage.key));
    SEPIA_CHECK_KIND(entry != nullptr, ErrorKind::kData, file.source, ": storage ", printable(storage.key), " is not in the archive");
    check_size(storage, entry->bytes, file.source);
    const auto found = checked.find(entry);
    return found != checked.end() ? found->second : checked.emplace(entry, archive.data(*entry)).first->second;
  };
  extract_state_dict(pickle, storage_bytes, bytes.size(), options, file);
}

void read_torch_legacy(std::span<const std::byte> bytes, const WeightFileOptions& options, WeightFile& file) {
  file.format = WeightFile::Format::kTorchLegacy;
  std::size_t at = kLegacyMagic.size();
  const auto next = [&] {
    Pickle pickle = read_pickle(bytes.subspan(at), file.source);
    at += pickle.bytes;
    return pickle;
  };
  const Pickle protocol = next();
  const bool known = protocol.top().kind == PickleKind::kInt && protocol.top().integer == kLegacyProtocol;
  SEPIA_CHECK_KIND(known, ErrorKind::kData, file.source, ": has a PyTorch protocol other than ", kLegacyProtocol);
  check_system(next(), file.source);
  const Pickle pickle = next();
  const Pickle keys = next();
  SEPIA_CHECK_KIND(keys.top().kind == PickleKind::kList, ErrorKind::kData, file.source, ": the list of storages is missing");

  std::map<std::string_view, const PickleStorage*> described;
  for (const PickleStorage& storage : pickle.storages) described.emplace(storage.key, &storage);
  std::map<std::string_view, std::span<const std::byte>> storages;
  ByteReader in(bytes, at);
  for (const std::uint32_t index : keys.top().items) {
    const PickleValue& key = keys.at(index);
    const auto found = described.find(key.text);
    const bool expected = key.kind == PickleKind::kText && found != described.end();
    SEPIA_CHECK_KIND(expected, ErrorKind::kData, file.source, ": lists storage ", printable(key.text), ", which no tensor uses");
    const std::uint64_t size = storage_size(*found->second, file.source);
    std::uint64_t elements = 0;
    std::span<const std::byte> data;
    const bool whole = in.number(elements) && elements == found->second->elements && in.take(size, data);
    SEPIA_CHECK_KIND(whole, ErrorKind::kData, file.source, ": truncated or damaged at storage ", printable(key.text), ", which should have ",
                     found->second->elements, " elements");
    SEPIA_CHECK_KIND(storages.emplace(key.text, data).second, ErrorKind::kData, file.source, ": storage ", printable(key.text), " stands twice");
  }
  SEPIA_CHECK_KIND(in.left() == 0, ErrorKind::kData, file.source, ": ", in.left(), " bytes after the last storage belong to none");
  const StorageBytes storage_bytes = [&](const PickleStorage& storage) {
    const auto found = storages.find(storage.key);
    SEPIA_CHECK_KIND(found != storages.end(), ErrorKind::kData, file.source, ": storage ", printable(storage.key), " is not in the file");
    check_size(storage, found->second.size(), file.source);
    return found->second;
  };
  extract_state_dict(pickle, storage_bytes, bytes.size(), options, file);
}

}  // namespace sepia::detail
