#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "bench/cuda/table.h"
#include "tools/report/canvas.h"

namespace sepia::bench {
namespace {

using report::Anchor;
using report::Ink;

constexpr double kRow = 19, kLabels = 330, kBars = 420, kValues = 60, kHead = 64, kFoot = 38;

struct Row {
  std::string label;
  double fp32 = 0, bf16 = 0;  ///< in percent
};

/// Two horizontal bars per row and a line at 100%.
report::Figure bars(const std::vector<Row>& rows, const std::string& title, const std::string& subtitle) {
  double largest = 110;
  for (const Row& row : rows) largest = std::max({largest, std::min(row.fp32, 200.0), std::min(row.bf16, 200.0)});
  const double height = kHead + kRow * static_cast<double>(rows.size()) + kFoot;
  const auto draw = [=](report::Canvas& canvas) {
    const auto x = [&](double percent) { return kLabels + kBars * std::min(percent, largest) / largest; };
    canvas.text({12, 22}, title, {.size = 14, .bold = true});
    canvas.text({12, 42}, subtitle, {.size = 11, .ink = Ink::kMuted});
    const double bottom = height - kFoot;
    for (double percent = 0; percent <= largest; percent += 25) {
      canvas.line({x(percent), kHead - 4}, {x(percent), bottom}, {.ink = percent == 100 ? Ink::kReference : Ink::kGrid, .width = percent == 100 ? 1.5 : 1.0});
      canvas.text({x(percent), bottom + 14}, fmt::format("{:.0f}%", percent), {.size = 10, .ink = Ink::kMuted, .anchor = Anchor::kMiddle});
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const double y = kHead + kRow * static_cast<double>(i);
      canvas.text({kLabels - 8, y + 12}, rows[i].label, {.size = 9.5, .anchor = Anchor::kEnd});
      const auto bar = [&](double top, double value, Ink ink) {
        canvas.rect({kLabels, top, x(value) - kLabels, 6}, {.ink = ink});
        canvas.text({x(value) + 4, top + 6.5}, fmt::format("{:.1f}", value), {.size = 8, .ink = Ink::kMuted});
      };
      if (rows[i].fp32 > 0) bar(y + 2, rows[i].fp32, Ink::kVal);
      if (rows[i].bf16 > 0) bar(y + 10, rows[i].bf16, Ink::kTrain);
    }
    const double legend = height - 8;
    canvas.rect({kLabels, legend - 9, 18, 9}, {.ink = Ink::kVal});
    canvas.text({kLabels + 23, legend}, "fp32", {.size = 10});
    canvas.rect({kLabels + 70, legend - 9, 18, 9}, {.ink = Ink::kTrain});
    canvas.text({kLabels + 93, legend}, "bf16", {.size = 10});
  };
  return {kLabels + kBars + kValues, height, title + ". " + subtitle, draw};
}

}  // namespace

void save_plot(const std::filesystem::path& stem, const std::vector<Measured>& calls, double copy_rate) {
  constexpr double kSmall = 64 * 1024;  // below that a kernel is its launch
  std::map<std::string, Row> by_label;
  for (const Measured& call : calls) {
    if (call.cost.matrix || call.cost.bytes() < kSmall) continue;
    const double share = copy_rate > 0 ? call.cost.bytes() / call.seconds / copy_rate : counted(call).moved() / call.cost.bytes();
    Row& row = by_label[call.kernel + "  " + call.layer];
    (call.bf16 ? row.bf16 : row.fp32) = 100 * share;
  }
  std::vector<Row> rows;
  for (const auto& [label, row] : by_label) rows.push_back({label, row.fp32, row.bf16});
  const report::Figure figure =
      copy_rate > 0 ? bars(rows, "Streaming kernels: rate as a share of a copy's", "bytes of the least possible traffic per second; 100%: the driver's copy of 512 MiB")
                    : bars(rows, "Streaming kernels: bytes moved against the least possible", "counted by the emulator, one picture; 100%: every input read once, every output written once");
  report::save_figure(figure, stem);
}

}  // namespace sepia::bench
