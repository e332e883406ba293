// What the peer scripts ask of a network and no command says: the outputs of its layers, and training steps with their gradients.
//
//   network_probe layers WEIGHTS OUT.safetensors SIZE LAYER,LAYER,... PICTURE...
//       evaluation mode; OUT gets every layer's output under its name, (N, H, W, C) or (N, C)
//   network_probe steps WEIGHTS OUT.safetensors SIZE STEPS LR LABEL=PICTURE...
//       training mode, the same batch STEPS times with Adam; a line {"loss", "gradient_norms": {...}} per step; OUT gets the gradients of
//       the first step in PyTorch's layouts
//
// Pictures must be SIZE x SIZE: nothing is resized. On the CPU, in float32.
#include <cstdio>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "data/image_read.h"
#include "engine/base/error.h"
#include "engine/io/weights.h"
#include "engine/ops/materialise.h"
#include "engine/train/inference.h"
#include "engine/train/stepper.h"
#include "tools/cli/model_argument.h"

namespace sepia {
namespace {

using Words = std::vector<std::string>;

Batch batch_of(const Words& pictures, const std::vector<int>& labels, int size) {
  Batch batch;
  batch.n = static_cast<int>(pictures.size());
  batch.height = batch.width = size;
  batch.labels = labels;
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const Image image = read_image(pictures[i]);
    SEPIA_CHECK(image.width == size && image.height == size, pictures[i], ": is ", image.width, "x", image.height, ", not ", size);
    batch.pixels.insert(batch.pixels.end(), image.rgb.begin(), image.rgb.end());
    batch.indices.push_back(i);
  }
  return batch;
}

FileTensor as_float(const std::string& name, const Tensor& tensor) {
  FileTensor result{.name = name, .dtype = DType::kF32, .shape = {}, .data = {}};
  for (int i = 0; i < tensor.shape().ndim(); ++i) result.shape.push_back(tensor.shape()[i]);
  const std::vector<float> values = tensor.to_host<float>();
  const auto bytes = std::as_bytes(std::span(values));
  result.data.assign(bytes.begin(), bytes.end());
  return result;
}

void write(const std::vector<FileTensor>& tensors, const std::string& path) {
  SafetensorsWriter writer;
  add_tensors(writer, tensors);
  writer.write(path);
}

void layers(cli::LoadedModel& model, const std::string& out, int size, const Words& rest) {
  std::vector<FileTensor> seen;
  std::istringstream names(rest.at(0));
  for (std::string name; std::getline(names, name, ',');) {
    model.module->at(name).add_hook([&seen, name](const Variable&, const Variable& y) { seen.push_back(as_float(name, y.value())); });
  }
  const Words pictures(rest.begin() + 1, rest.end());
  const Batch batch = batch_of(pictures, std::vector<int>(pictures.size(), kReal), size);
  const NoGradGuard no_grad;
  const Variable logits = ops::materialise((*model.module)(train::network_input(*model.module, batch, model.spec.normalisation)));
  seen.push_back(as_float("logits", logits.value()));
  write(seen, out);
}

void steps(cli::LoadedModel& model, const std::string& out, int size, const Words& rest) {
  const int count = std::stoi(rest.at(0));
  const double lr = std::stod(rest.at(1));
  Words pictures;
  std::vector<int> labels;
  for (std::size_t i = 2; i < rest.size(); ++i) {
    labels.push_back(rest[i].at(0) - '0');
    pictures.push_back(rest[i].substr(2));
  }
  const Batch batch = batch_of(pictures, labels, size);
  model.module->train();
  train::Stepper stepper(*model.module, {.normalisation = model.spec.normalisation});
  for (int step = 0; step < count; ++step) {
    const double loss = stepper.accumulate(batch, 1).loss;
    if (step == 0) write(arena_tensors(*model.module, model.module->flat().gradients(), ""), out);
    nlohmann::json line{{"loss", loss}};
    for (const train::UpdateFigures& figures : stepper.commit(lr, true)) line["gradient_norms"][figures.name] = figures.gradient_norm;
    std::printf("%s\n", line.dump().c_str());
  }
}

int run(const Words& words) {
  SEPIA_CHECK(words.size() >= 6 && (words[0] == "layers" || words[0] == "steps"), "usage stands at the head of tests/peers/network_probe.cpp");
  const int size = std::stoi(words[3]);
  cli::LoadedModel model = cli::load_model(words[1], {.image_size = size});
  const Words rest(words.begin() + 4, words.end());
  words[0] == "layers" ? layers(model, words[2], size, rest) : steps(model, words[2], size, rest);
  return 0;
}

}  // namespace
}  // namespace sepia

int main(int argc, char** argv) {
  try {
    return sepia::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 2;
  }
}
