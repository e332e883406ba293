// What `sepia bench` says: a table for people, an object for machines.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "tools/measure/model_bench.h"

namespace sepia::cli {

/// What was measured, in what way.
struct BenchSubject {
  std::string model, precision, device;
  int batch = 0, threads = 0, rounds = 0;
  std::int64_t image_size = 0;

  /// "edgenet, batch 32, fp32, cpu, 2 threads".
  std::string title() const;
};

/// The whole steps, the ceilings, and every layer that takes a twentieth of a percent of a step or more; the others in one line.
void print_bench(const BenchSubject& subject, const tools::ModelFigures& figures);

nlohmann::ordered_json bench_json(const BenchSubject& subject, const tools::ModelFigures& figures);

}  // namespace sepia::cli
