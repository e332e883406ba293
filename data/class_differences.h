// Does a data set give the answer away? What the files are, apart from their pixels, compared between the classes.
#pragma once

#include <string>
#include <vector>

#include "data/scan.h"

namespace sepia {

/// One fact about files (format, width, JPEG quality, ...) and how well it alone tells fake from real.
struct ClassDifference {
  std::string fact;
  /// Area under the ROC curve of the fact as a score for "fake", ties counted half; 0.5 says nothing, 0 and 1 everything.
  double auc = 0.5;
  /// Standard error of an AUC of chance with these counts and no ties: sqrt((R + F + 1) / (12 R F)), R real and F fake
  /// (Hanley and McNeil 1982).
  double chance_error = 0;
  std::string real;  ///< the commonest values: "JPEG 98%, PNG 2%", or "median 20134" for sizes in bytes
  std::string fake;
  /// Whether a network can cheat by it: the AUC is at least 0.1 and 3 standard errors away from 0.5. Bytes per pixel depend on
  /// the content as well; there the first bound is 0.35.
  bool gives_away = false;
};

/// Format, width, height, JPEG quality (JPEGs only) and bytes per pixel, over all usable files. Empty when a class has none.
std::vector<ClassDifference> find_class_differences(const std::vector<const FileRecord*>& files);

}  // namespace sepia
