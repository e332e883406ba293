// Every data set of an HDF5 file that is a plain tensor.
#pragma once

#include <stdexcept>

#include "tools/hdf5_reader/hdf5_output.h"

namespace sepia::hdf5 {

/// Why a file is refused, without its name.
class Refusal : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Walks the groups by hard links alone and writes their tensors, in the order of names; layer names and versions as attributes; what is
/// no tensor as skipped; then the end record. Throws Refusal.
void walk_file(const char* path, Output& out);

}  // namespace sepia::hdf5
