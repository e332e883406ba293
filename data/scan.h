// Looking at every file of a split once: is it a whole picture, what is it apart from its pixels, and what is its hash.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "data/faces_dataset.h"
#include "data/image_read.h"
#include "data/perceptual_hash.h"
#include "engine/base/error.h"

namespace sepia {

/// What is known of one file. When it cannot be used, `error` says why and the fields that need its pixels are empty.
struct FileRecord {
  std::string path;  ///< relative to the data set
  int label = kReal;
  std::uint64_t bytes = 0;
  std::string sha256;  ///< of the file; empty when it cannot be opened
  ImageFacts facts;
  PerceptualHash hash;
  std::string error;  ///< empty when all is well
  ErrorKind error_kind = ErrorKind::kData;
};

struct ScanOptions {
  int workers = 2;
  bool decode = true;  ///< false: only bytes and SHA-256, which is what the fingerprint needs
};

/// Reads every file of the split on `workers` threads; bad files are recorded, not thrown. Decoded pictures go into the data
/// set's cache, if it has one, so that the first epoch need not decode them again. `progress`, if given, is called from
/// several threads, one at a time, with the number of files done.
std::vector<FileRecord> scan_files(const FacesDataset& dataset, const ScanOptions& options = {},
                                   const std::function<void(std::size_t)>& progress = nullptr);

/// What the split is: the SHA-256 of the lines "HASH LABEL\n", one for each file, sorted. It does not depend on names, only on
/// contents and classes. A file that could not be opened enters as "unreadable".
std::string fingerprint(const std::vector<FileRecord>& records);

/// Indices of the files without error: a sample list for a loader.
std::vector<std::size_t> usable_samples(const std::vector<FileRecord>& records);

}  // namespace sepia
