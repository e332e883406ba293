#include "tools/report/figure_samples.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "data/faces_dataset.h"
#include "data/loader.h"
#include "data/transforms.h"
#include "tools/report/image_grid.h"

namespace sepia::report {

namespace {

/// The first `count` samples with this label in the order that the seed gives.
std::vector<std::size_t> choose(const FacesDataset& dataset, int label, const SampleFigureOptions& options) {
  std::vector<std::size_t> of_class;
  for (std::size_t i = 0; i < dataset.size(); ++i) {
    if (dataset.label(i) == label) of_class.push_back(i);
  }
  LoaderOptions order;
  order.shuffle = true;
  order.seed = options.seed;
  order.samples = std::move(of_class);
  std::vector<std::size_t> chosen = sample_order(dataset.size(), order);
  chosen.resize(std::min(chosen.size(), static_cast<std::size_t>(options.samples)));
  return chosen;
}

/// "DATA" of "some/where/DATA/".
std::string data_name(const std::string& path) {
  const std::filesystem::path normal = std::filesystem::path(path).lexically_normal();
  const std::string name = normal.has_filename() ? normal.filename().string() : normal.parent_path().filename().string();
  return name.empty() || name == "." ? path : name;
}

}  // namespace

SampleFigure draw_samples(const std::vector<std::string>& data, const SampleFigureOptions& options) {
  ImageGrid grid;
  grid.title = "Real and fake samples";
  for (const int label : {kReal, kFake}) {
    for (int i = 0; i < options.samples; ++i) grid.column_labels.emplace_back(class_name(label));
  }
  SampleFigure result;
  for (const std::string& root : data) {
    const FacesDataset dataset(root, options.split,
                               {.image_size = options.image_size, .real_folder = options.real_folder, .fake_folder = options.fake_folder});
    std::vector<GridCell> plain, changed;
    for (const int label : {kReal, kFake}) {
      std::vector<std::size_t> chosen = choose(dataset, label, options);
      for (const std::size_t i : chosen) {
        Sample sample = dataset.at(i);
        Image augmented(sample.image.width, sample.image.height);
        apply_augment(options.augment, {options.seed, 0, static_cast<std::uint32_t>(i)}, sample.image, augmented.rgb);
        changed.push_back({std::move(augmented), ""});
        plain.push_back({std::move(sample.image), dataset.path(i)});
        result.paths.push_back(dataset.full_path(i).string());
      }
      // A class with fewer pictures than asked for leaves cells free, so that columns stay columns.
      for (std::size_t i = chosen.size(); i < static_cast<std::size_t>(options.samples); ++i) {
        plain.push_back({});
        changed.push_back({});
      }
    }
    grid.rows.push_back(std::move(plain));
    grid.row_labels.push_back(data_name(root));
    if (options.augmented) {
      grid.rows.push_back(std::move(changed));
      grid.row_labels.push_back("as trained on");
    }
  }
  grid.cell = options.samples == 1 ? 256 : 160;
  result.figure = draw_image_grid(grid);
  return result;
}

}  // namespace sepia::report
