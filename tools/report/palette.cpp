#include "tools/report/palette.h"

#include <fmt/format.h>

#include <array>

namespace sepia::report {
namespace {

struct InkRow {
  const char* name;
  std::uint32_t light, dark;
};

constexpr std::array<InkRow, kInkCount> kInks = {{
    {"paper", 0xFFFFFF, 0x211C18},  {"text", 0x2B2320, 0xEDE4D9},      {"muted", 0x70645A, 0xB0A294},  {"grid", 0xEEE8DF, 0x362F29},
    {"axis", 0xA99D90, 0x73675C},   {"reference", 0x8A7C6F, 0xA39586}, {"accent", 0x8C5A2B, 0xD9A066}, {"train", 0x5A4030, 0xDCC3A5},
    {"val", 0xCB7A08, 0xF2A63A},    {"test", 0x1B7A75, 0x45A79F},      {"real", 0x2A6F97, 0x74B3DD},   {"fake", 0xB8432F, 0xEE8369},
    {"ramp0", 0xDDA53D, 0xF6DF9F},  {"ramp1", 0xD2852F, 0xF1C270},     {"ramp2", 0xC2652D, 0xE8A258},  {"ramp3", 0xA94B38, 0xDB8457},
    {"ramp4", 0x8B3A4A, 0xC96A6A},  {"ramp5", 0x6B3157, 0xB05A85},     {"ramp6", 0x4B2E5C, 0x96518F},  {"ramp7", 0x2E2A57, 0x764A98},
}};

const InkRow& row(Ink ink) { return kInks[static_cast<std::size_t>(ink)]; }

Rgb unpack(std::uint32_t value) {
  return {static_cast<std::uint8_t>(value >> 16), static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value)};
}

}  // namespace

Rgb light_color(Ink ink) { return unpack(row(ink).light); }
Rgb dark_color(Ink ink) { return unpack(row(ink).dark); }
std::string ink_name(Ink ink) { return row(ink).name; }
std::string hex(Rgb color) { return fmt::format("#{:02x}{:02x}{:02x}", color.r, color.g, color.b); }

Ink ramp_ink(int index, int count) {
  const int step = count <= 1 ? 0 : index * (kRampSteps - 1) / (count - 1);
  return static_cast<Ink>(static_cast<int>(Ink::kRamp0) + step);
}

std::string palette_css() {
  std::string light, dark, classes;
  for (const InkRow& ink : kInks) {
    light += fmt::format("--{}:{};", ink.name, hex(unpack(ink.light)));
    dark += fmt::format("--{}:{};", ink.name, hex(unpack(ink.dark)));
    classes += fmt::format("svg .f-{0}{{fill:var(--{0})}}svg .k-{0}{{stroke:var(--{0})}}\n", ink.name);
  }
  // On paper the light colours hold, whatever the screen shows.
  return fmt::format(":root{{{}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{}}}}}\n{}", light, dark, classes);
}

}  // namespace sepia::report
