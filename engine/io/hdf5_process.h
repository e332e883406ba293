// HDF5 files, parsed by a process of its own (private to engine/io).
//
// libhdf5 crashes and hangs on damaged files (20 crashes and 5 hangs in 4,000 with 1.10.8), so that no process with anything to lose
// calls it. The program sepia-read-hdf5 alone is linked with it: it is started with an empty environment, the file as its standard input
// and a pipe as its standard output, limits its own memory, processor time and open files, and dies with its parent. It is executed, not
// merely forked: a fork of a process with threads may call next to nothing, and would have all of the parent's memory for a bug to read.
#pragma once

#include <filesystem>
#include <string>

#include "engine/io/hdf5_protocol.h"

namespace sepia::detail {

struct Hdf5ProcessOptions {
  std::filesystem::path program{};  ///< empty: sepia-read-hdf5 beside the library
  double seconds = 60;              ///< for the whole file, by the clock
};

/// The program beside the library that holds this function (or in its folder sepia/). kInternal when it is not there.
std::filesystem::path hdf5_reader_program();

/// The contents of the HDF5 file `path`. kPath when it cannot be opened; kData, in one line, when the file is refused or the process dies,
/// takes too long or says something impossible: none of that ever ends the caller.
Hdf5Contents read_hdf5(const std::filesystem::path& path, const Hdf5ProcessOptions& options = {});

}  // namespace sepia::detail
