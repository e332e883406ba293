#include "data/scan.h"

#include <algorithm>

#include "data/work_queue.h"
#include "engine/base/sha256.h"

namespace sepia {

namespace {

FileRecord scan_file(const FacesDataset& dataset, std::size_t i, const ScanOptions& options) {
  FileRecord record;
  record.path = dataset.path(i);
  record.label = dataset.label(i);
  try {
    const std::vector<std::byte> bytes = read_image_file(dataset.full_path(i));
    record.bytes = bytes.size();
    record.sha256 = sha256_hex(bytes);
    if (options.decode) {
      const DecodedImage decoded = decode_image_and_facts(bytes, record.path);
      record.facts = decoded.facts;
      record.hash = perceptual_hash(decoded.image);
      dataset.offer_to_cache(i, decoded.image);
    }
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kData && error.kind() != ErrorKind::kPath) throw;
    record.error = error.what();
    record.error_kind = error.kind();
  }
  return record;
}

}  // namespace

std::vector<FileRecord> scan_files(const FacesDataset& dataset, const ScanOptions& options,
                                   const std::function<void(std::size_t)>& progress) {
  SEPIA_CHECK(options.workers >= 0 && options.workers <= 256, "the number of reading threads must be 0 to 256, got ", options.workers);
  std::vector<FileRecord> records(dataset.size());
  run_on_threads(records.size(), options.workers, [&](std::size_t i) { records[i] = scan_file(dataset, i, options); },
                 [&](std::size_t done, std::size_t) {
                   if (progress) progress(done);
                 });
  return records;
}

std::string fingerprint(const std::vector<FileRecord>& records) {
  std::vector<std::string> lines;
  lines.reserve(records.size());
  for (const auto& record : records) {
    lines.push_back((record.sha256.empty() ? "unreadable" : record.sha256) + " " + class_name(record.label) + "\n");
  }
  std::sort(lines.begin(), lines.end());
  Sha256 hash;
  for (const auto& line : lines) hash.update(line);
  return hash.hex();
}

std::vector<std::size_t> usable_samples(const std::vector<FileRecord>& records) {
  std::vector<std::size_t> usable;
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (records[i].error.empty()) usable.push_back(i);
  }
  return usable;
}

}  // namespace sepia
