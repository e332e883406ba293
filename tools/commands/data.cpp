// sepia data: check a data set, show it, draw a toy one; blend stands in data_blend.cpp.
#include <fmt/format.h>

#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/check.h"
#include "data/toy.h"
#include "engine/base/error.h"
#include "tools/cli/json.h"
#include "tools/cli/numbers.h"
#include "tools/cli/options.h"
#include "tools/cli/output_folder.h"
#include "tools/cli/progress.h"
#include "tools/commands/commands.h"
#include "tools/commands/data_blend.h"
#include "tools/report/figure_samples.h"

namespace sepia::cli {
namespace {

struct DataCheckOptions {
  std::string data;
  CheckOptions check;
  bool json = false;
};

int run_check(DataCheckOptions options) {
  ProgressBar bar;
  std::string shown;
  options.check.progress = [&](const std::string& split, std::size_t done, std::size_t total) {
    if (split != shown) bar.start("reading " + split, static_cast<std::int64_t>(total));
    shown = split;
    bar.update(static_cast<std::int64_t>(done));
  };
  const CheckReport report = check_dataset(options.data, options.check);
  bar.clear();
  std::cerr << (options.json ? "" : check_text(report));
  if (options.json) std::cout << check_json(report) << "\n";
  return report.findings.empty() ? 0 : 1;
}

void add_check(CLI::App& data, Session& session) {
  const auto options = std::make_shared<DataCheckOptions>();
  CLI::App& command = session.add_command(data, "check", "Look for what spoils a data set: bad files, duplicates across splits, give-aways",
                                          "sepia data check DATA\n"
                                          "sepia data check DATA --group-by '(id[0-9]+)_'  # frames of one video\n"
                                          "sepia data check DATA --json > report.json");
  command.add_option("DATA", options->data, "Folder with {train,val,test}/{real,fake}/")->required();
  command.add_option("--group-by", options->check.group_by, "Regular expression for the part of a path that names a person or video")
      ->type_name("REGEX");
  add_whole(command, "--near", options->check.near_distance, 0, 256, "Bits of 256 up to which two pictures look the same");
  add_class_map_option(command, options->check.real_folder, options->check.fake_folder);
  add_workers_option(command, options->check.workers);
  add_json_option(command, options->json);
  session.set_action(command, [options] { return run_check(*options); });
}

struct DataShowOptions {
  std::vector<std::string> data;
  report::SampleFigureOptions figure;
  std::string augment = "document";
  OutputOptions output{.out = "data_show"};
};

int run_show(DataShowOptions options) {
  options.figure.augment = augment_from_name(options.augment);
  const report::SampleFigure sheet = report::draw_samples(options.data, options.figure);
  claim_output_folder(options.output.out, options.output.overwrite, {"samples.svg", "samples.png"});
  report::save_figure(sheet.figure, options.output.out / "samples");
  for (const std::string& path : sheet.paths) std::cerr << path << "\n";
  std::cerr << "wrote " << (options.output.out / "samples.svg").string() << " and samples.png\n";
  return 0;
}

void add_show(CLI::App& data, Session& session) {
  const auto options = std::make_shared<DataShowOptions>();
  CLI::App& command = session.add_command(data, "show", "Draw real and fake samples side by side, one row for each data set (Figure 1)",
                                          "sepia data show DATA\n"
                                          "sepia data show DEEPFAKE SYNTHETIC --out figure1\n"
                                          "sepia data show DATA --augmented --samples 4");
  command.add_option("DATA", options->data, "Folders with {train,val,test}/{real,fake}/")->required()->expected(1, 64);
  command.add_option("--split", options->figure.split, "Split to take the samples from")->type_name("S")->default_str(options->figure.split);
  command.add_flag("--augmented", options->figure.augmented, "Also show them as the training transform changes them");
  command.add_option("--augment", options->augment, "Which training transform --augmented shows: document, strong or none")
      ->check(CLI::IsMember({"document", "strong", "none"}))
      ->default_str(options->augment);
  add_whole(command, "--samples", options->figure.samples, 1, 64, "Pictures of each class in a row");
  add_seed_option(command, options->figure.seed);
  add_image_size_option(command, options->figure.image_size);
  add_class_map_option(command, options->figure.real_folder, options->figure.fake_folder);
  add_output_options(command, options->output, "Folder for samples.svg and samples.png");
  session.set_action(command, [options] { return run_show(*options); });
}

struct DataToyOptions {
  std::string out;
  ToyOptions toy;
};

int run_toy(DataToyOptions options) {
  ProgressBar bar;
  const std::size_t total = 2 * (options.toy.train_per_class + options.toy.val_per_class + options.toy.test_per_class);
  bar.start("drawing", static_cast<std::int64_t>(total));
  options.toy.progress = [&](std::size_t done, std::size_t) { bar.update(static_cast<std::int64_t>(done)); };
  write_toy_dataset(options.out, options.toy);
  bar.clear();
  std::cerr << "wrote " << total << " drawn faces to " << options.out << "\n";
  return 0;
}

void add_toy(CLI::App& data, Session& session) {
  const auto options = std::make_shared<DataToyOptions>();
  CLI::App& command = session.add_command(data, "toy", "Draw a data set of toy faces, the same pixels on every machine",
                                          "sepia data toy toy_faces\n"
                                          "sepia data toy toy_faces --train 500 --val 100 --test 100 --seed 7");
  command.add_option("OUT", options->out, "Folder to make; must be new or empty")->required();
  add_whole(command, "--train", options->toy.train_per_class, 0, 100000, "Training pictures of each class");
  add_whole(command, "--val", options->toy.val_per_class, 0, 100000, "Validation pictures of each class");
  add_whole(command, "--test", options->toy.test_per_class, 0, 100000, "Test pictures of each class");
  add_seed_option(command, options->toy.seed);
  add_whole(command, "--threads", options->toy.threads, 1, 256, "Threads that draw; the pictures do not depend on it");
  session.set_action(command, [options] { return run_toy(*options); });
}

}  // namespace

void add_data_command(CLI::App& app, Session& session) {
  CLI::App& data = session.add_command(app, "data", "Check a data set, show it, blend fakes from real faces, or draw toy ones",
                                       "sepia data check DATA\n"
                                       "sepia data show DATA --out figure1\n"
                                       "sepia data blend photographs blended\n"
                                       "sepia data toy toy_faces");
  data.require_subcommand(1);
  add_check(data, session);
  add_show(data, session);
  add_toy(data, session);
  add_data_blend_command(data, session);
}

}  // namespace sepia::cli
