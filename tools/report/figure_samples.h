// Figure 1 of the document: real and fake samples, one row for each data set.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/transforms.h"
#include "tools/report/canvas.h"

namespace sepia::report {

struct SampleFigureOptions {
  std::string split = "train";
  int samples = 1;         ///< of each class in a row
  bool augmented = false;  ///< a second row below each: the same samples after the training transform
  Augment augment = Augment::kDocument;  ///< which one
  std::uint64_t seed = 0;  ///< which samples, and which changes
  int image_size = 256;
  std::string real_folder = "real";
  std::string fake_folder = "fake";
};

struct SampleFigure {
  Figure figure;
  std::vector<std::string> paths;  ///< of the pictures shown, row by row
};

/// Draws the sheet: on the left real, on the right fake. kData when a data set lacks a class or a chosen picture is bad; kPath
/// when a data set or its split is missing.
SampleFigure draw_samples(const std::vector<std::string>& data, const SampleFigureOptions& options);

}  // namespace sepia::report
