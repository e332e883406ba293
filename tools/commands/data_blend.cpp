// sepia data blend: fakes for those who have only real photographs.
#include "tools/commands/data_blend.h"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "data/blend.h"
#include "data/image_read.h"
#include "data/resize.h"
#include "data/self_blend.h"
#include "engine/base/error.h"
#include "tools/cli/numbers.h"
#include "tools/cli/options.h"
#include "tools/cli/progress.h"
#include "tools/report/image_grid.h"

namespace sepia::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kSheetRows = 8;

struct DataBlendOptions {
  fs::path real, out;
  std::string split = "0.7,0.15,0.15", format = "jpeg";
  int quality = 95;
  BlendOptions blend;
};

/// Where and how far two pictures differ: grey where they do not, four times as far from it as they do.
Image difference(const Image& a, const Image& b) {
  Image out(a.width, a.height);
  for (std::size_t i = 0; i < out.rgb.size(); ++i) out.rgb[i] = static_cast<std::uint8_t>(std::clamp(128 + 4 * (b.rgb[i] - a.rgb[i]), 0, 255));
  return out;
}

/// The first pairs: as they were, blended, the mask, and what has changed. Read back from the files, as a network will see them.
report::Figure contact_sheet(const DataBlendOptions& options, const std::vector<BlendedPair>& pairs) {
  report::ImageGrid grid;
  grid.title = "Self-blended faces";
  grid.column_labels = {"real", "fake", "mask", "difference x 4"};
  for (std::size_t i = 0; i < std::min(kSheetRows, pairs.size()); ++i) {
    const BlendedPair& pair = pairs[i];
    const int side = options.blend.image_size;
    const Image real = read_image(options.out / pair.split / "real" / pair.name), fake = read_image(options.out / pair.split / "fake" / pair.name);
    const Image mask = self_blend(real, draw_self_blend(options.blend.seed, pair.index, side)).mask;
    grid.rows.push_back({{real, pair.source}, {fake, pair.split + "/fake/" + pair.name}, {mask, ""}, {difference(real, fake), ""}});
  }
  return report::draw_image_grid(grid);
}

int run_blend(DataBlendOptions& options) {
  options.blend.split = blend_split_from_text(options.split);
  options.blend.jpeg_quality = options.format == "png" ? 0 : options.quality;
  ProgressBar bar;
  bool started = false;
  options.blend.progress = [&](std::size_t done, std::size_t total) {
    if (!started) bar.start("blending", static_cast<std::int64_t>(total));
    started = true;
    bar.update(static_cast<std::int64_t>(done));
  };
  const std::vector<BlendedPair> pairs = write_blended_dataset(options.real, options.out, options.blend);
  bar.clear();
  report::save_figure(contact_sheet(options, pairs), options.out / "contact_sheet");
  std::cerr << "wrote " << pairs.size() << " real and " << pairs.size() << " blended pictures to " << options.out.string()
            << "; look at contact_sheet.png, then: sepia data check " << options.out.string() << "\n";
  return 0;
}

}  // namespace

void add_data_blend_command(CLI::App& data, Session& session) {
  const auto options = std::make_shared<DataBlendOptions>();
  CLI::App& command = session.add_command(data, "blend", "Make face-swap fakes of real photographs: each face blended with a changed copy of itself",
                                          "sepia data blend photographs blended\n"
                                          "sepia data blend photographs blended --split 200,50,50 --seed 7 --keep-masks");
  command.add_option("REAL_DIR", options->real, "Folder with pictures of real faces, cropped to the face")->required();
  command.add_option("OUT", options->out, "Folder to make; must be new or empty")->required();
  command.add_option("--split", options->split, "Source pictures for train, val and test: counts, or fractions of what there is")->type_name("A,B,C")->default_str(options->split);
  add_seed_option(command, options->blend.seed);
  add_image_size_option(command, options->blend.image_size, 32);
  command.add_option("--format", options->format, "Of the pictures: jpeg, or png (the same bytes wherever the sources have the size already)")
      ->check(CLI::IsMember({"jpeg", "png"}))
      ->default_str(options->format);
  add_whole(command, "--quality", options->quality, 1, 100, "Of the JPEGs, for both classes");
  command.add_flag("--keep-masks", options->blend.keep_masks, "Write the masks too, into OUT/masks");
  add_whole(command, "--threads", options->blend.threads, 1, 256, "Threads that work; the pictures do not depend on it");
  session.set_action(command, [options] { return run_blend(*options); });
}

}  // namespace sepia::cli
