#include "bench/cuda/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "bench/cuda/gpus.h"
#include "engine/base/error.h"

namespace sepia::bench {
namespace {

const SimtKernelCounters* busiest(const Measured& call) {
  const auto most = std::ranges::max_element(
      call.counters, {}, [](const SimtKernelCounters& c) { return c.load_bytes + c.store_bytes + c.mma; });
  return most == call.counters.end() ? nullptr : &*most;
}

std::string precision(const Measured& call) { return call.bf16 ? "bf16" : "fp32"; }

/// Bytes per second of the least possible traffic.
double rate(const Measured& call) { return call.seconds > 0 ? call.cost.bytes() / call.seconds : 0; }

}  // namespace

Resources resources_of(const Measured& call, const std::vector<gpu::KernelFacts>& facts) {
  Resources resources;
  const SimtKernelCounters* main = busiest(call);
  if (!main) return resources;
  const std::string name = gpu::short_kernel_name(main->kernel);
  for (const gpu::KernelFacts& f : facts) {
    if (f.name != name) continue;
    const int shared = f.shared_bytes + static_cast<int>(main->dynamic_shared_bytes);
    const int threads = static_cast<int>(main->threads / std::max<std::uint64_t>(main->blocks, 1));
    if (!resources.registers) {
      resources.registers = f.registers;
      resources.shared_bytes = shared;
    }
    const double warps = gpu::occupancy(f.architecture, threads, f.registers, shared).warps;
    if (f.architecture == 80) resources.occupancy[0] = warps;
    if (f.architecture == 90) resources.occupancy[1] = warps;
  }
  return resources;
}

Counted counted(const Measured& call) {
  Counted sum;
  for (const SimtKernelCounters& c : call.counters) {
    sum.read += static_cast<double>(c.load_bytes);
    sum.written += static_cast<double>(c.store_bytes);
    sum.sectors += static_cast<double>(c.load_sectors + c.store_sectors);
    sum.wavefronts += static_cast<double>(c.shared_wavefronts);
    sum.conflicts += static_cast<double>(c.bank_conflicts);
    sum.barriers += static_cast<double>(c.barriers);
    sum.tensor_flops += static_cast<double>(c.mma);
  }
  return sum;
}

void write_csv(const std::filesystem::path& file, const std::vector<Measured>& calls, const std::vector<gpu::KernelFacts>& facts, double copy_rate) {
  std::ofstream out(file);
  out << "kernel,layer,precision,least_read,least_written,flops,seconds,bytes_per_second,of_copy,read,written,sectors_used,shared_wavefronts,conflicts,barriers,"
         "tensor_flops,registers,shared,occupancy_sm80,occupancy_sm90";
  for (const Gpu& g : kGpus) out << ",predicted_s " << g.name;
  out << "\n";
  for (const Measured& call : calls) {
    const Counted c = counted(call);
    const Resources r = resources_of(call, facts);
    out << fmt::format("{},\"{}\",{},{:.0f},{:.0f},{:.0f},{:.4g},{:.4g},{:.4g},{:.0f},{:.0f},{:.4f},{:.0f},{:.0f},{:.0f},{:.0f},{},{},{:.2f},{:.2f}", call.kernel,
                       call.layer, precision(call), call.cost.read, call.cost.written, call.cost.flops, call.seconds, rate(call),
                       copy_rate > 0 ? rate(call) / copy_rate : 0, c.read, c.written, c.sectors_used(), c.wavefronts, c.conflicts, c.barriers, c.tensor_flops,
                       r.registers, r.shared_bytes, r.occupancy[0], r.occupancy[1]);
    for (const Gpu& g : kGpus) out << fmt::format(",{:.4g}", predicted_seconds(g, call.cost, call.bf16));
    out << "\n";
  }
  out.close();
  SEPIA_CHECK_KIND(out.good(), ErrorKind::kPath, "cannot write ", file.string());
}

std::string markdown_head(double copy_rate) {
  return copy_rate > 0 ? "| kernel | layer | type | least, KiB | us | GB/s | of a copy |\n|---|---|---|---|---|---|---|\n"
                       : "| kernel | layer | type | least, KiB | moved / least | sectors used | conflicts | registers | shared, KiB | occupancy "
                         "sm_80 / sm_90 | A100, us | H100 | H200 | L4 |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n";
}

std::string markdown_row(const Measured& call, const std::vector<gpu::KernelFacts>& facts, double copy_rate) {
  std::string text = fmt::format("| {} | {} | {} | {:.0f} ", call.kernel, call.layer, precision(call), call.cost.bytes() / 1024);
  if (copy_rate > 0) {
    return text + fmt::format("| {:.1f} | {:.0f} | {:.0f}% |\n", 1e6 * call.seconds, 1e-9 * rate(call), 100 * rate(call) / copy_rate);
  }
  const Counted c = counted(call);
  const Resources r = resources_of(call, facts);
  text += fmt::format("| {:.1f}% | {:.1f}% | {:.0f}", 100 * c.moved() / call.cost.bytes(), 100 * c.sectors_used(), c.conflicts);
  text += c.conflicts > 0 ? fmt::format(" ({:.1f}%) ", 100 * c.conflicting()) : " ";
  text += r.registers ? fmt::format("| {} | {:.1f} | {:.0f}% / {:.0f}% ", r.registers, r.shared_bytes / 1024.0, 100 * r.occupancy[0], 100 * r.occupancy[1])
                      : "| | | ";
  for (const Gpu& g : kGpus) text += fmt::format("| {:.3g} ", 1e6 * predicted_seconds(g, call.cost, call.bf16));
  return text + "|\n";
}

}  // namespace sepia::bench
