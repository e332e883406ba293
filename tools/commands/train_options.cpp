#include "tools/commands/train_options.h"

#include <algorithm>
#include <sstream>

#include "engine/base/error.h"
#include "models/model.h"
#include "tools/cli/numbers.h"
#include "tools/commands/train_preset.h"

namespace sepia::cli {
namespace {

constexpr RealRange kBelowOne{.low = 0.0, .high = 1.0, .high_open = true};

std::vector<double> comma_separated(const std::string& option, const std::string& text, const RealRange& range) {
  std::vector<double> values;
  std::stringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) values.push_back(parse_real(option, part, range));
  return values;
}

// "document", "model" (the network's own, or that of the pretrained weights), or six numbers R,G,B/R,G,B: mean and standard deviation of pixels scaled to [0, 1].
ops::Normalisation normalisation_of(const std::string& text, const ops::Normalisation& of_model) {
  if (text == "document") return ops::Normalisation{};
  if (text == "model") return of_model;
  const std::size_t slash = text.find('/');
  SEPIA_CHECK(slash != std::string::npos, "--normalise must be document, model or R,G,B/R,G,B (mean/std); got '", text, "'");
  const std::vector<double> mean = comma_separated("--normalise", text.substr(0, slash), RealRange{});
  const std::vector<double> std = comma_separated("--normalise", text.substr(slash + 1), kPositive);
  SEPIA_CHECK(mean.size() == 3 && std.size() == 3, "--normalise needs three means and three standard deviations; got '", text, "'");
  ops::Normalisation normalisation;
  std::ranges::copy(mean, normalisation.mean.begin());
  std::ranges::copy(std, normalisation.std.begin());
  return normalisation;
}

void add_protocol_options(CLI::App& command, TrainOptions& options) {
  train::TrainConfig& c = options.config;
  add_whole(command, "--epochs", c.epochs, 1, 1'000'000, "Passes over the training pictures");
  add_whole(command, "-b,--batch-size", c.batch_size, 1, 65536, "Pictures per batch");
  add_whole(command, "--accumulate", c.accumulate, 1, 65536, "Batches whose gradients are summed before a step");
  add_seed_option(command, c.seed);
  add_whole(command, "--repeat", options.repeat, 1, 10'000, "Train so many times, with this seed and those after it, into RUN/seed-N");
  command.add_option("--augment", c.augment, "Changes to training pictures: document (random crop, flip), strong (also turns, light, blur, JPEG) or none")
      ->check(CLI::IsMember({"document", "strong", "none"}));
  command.add_option("--fakes", c.fakes, "Fakes to train on: files (train/fake), or blend (train/real, each blended with itself, anew in every epoch)")
      ->check(CLI::IsMember({"files", "blend"}));
  command.add_option("--input", options.input, "What the network sees: rgb, or residual (what a blur takes away; for traces of blending and generating)");
  command.add_option("--normalise", options.normalise, "Scaling of the input: document, model, or R,G,B/R,G,B (mean/std)");
  command.add_option("--select", options.select, "What makes an epoch the best: val_acc, val_auc, val_loss; or last, for schedules that end well");
  add_whole(command, "--patience", c.patience, 0, 1'000'000, "Stop after so many epochs without a better one; 0: never");
  command.add_option("--bad-images", options.bad_images, "Pictures that cannot be read: fail (list them and stop) or skip");
}

void add_optimizer_options(CLI::App& command, TrainOptions& options) {
  train::TrainConfig& c = options.config;
  command.add_option("--opt", options.opt, "Optimiser: adam, adamw or sgd");
  add_real(command, "--lr", c.optimizer.lr, kPositive, "Learning rate");
  add_real(command, "--weight-decay", c.optimizer.weight_decay, kNotNegative, "Weight decay (decoupled with adamw)");
  add_real(command, "--momentum", c.optimizer.momentum, kBelowOne, "Momentum of sgd");
  command.add_flag("--nesterov", c.optimizer.nesterov, "Nesterov momentum with sgd");
  command.add_option("--sched", options.sched, "Learning-rate schedule: constant, cosine or onecycle");
  add_real(command, "--warmup-epochs", c.schedule.warmup_epochs, kNotNegative, "Epochs of linear warm-up");
  add_real(command, "--clip-grad", c.clip_grad, kNotNegative, "Largest gradient norm; 0: no clipping");
  add_real(command, "--model-ema-decay", c.ema_decay, kBelowOne, "Decay of the weight average that is evaluated and saved; 0: none");
  add_real(command, "--smoothing", c.smoothing, kBelowOne, "Label smoothing");
  command.add_option("--class-weights", options.class_weights, "Loss weights: REAL,FAKE or balanced");
}

void add_transfer_options(CLI::App& command, TrainOptions& options) {
  train::TransferConfig& t = options.config.transfer;
  command.add_option("--pretrained", t.pretrained, "Start from these weights; a head that does not fit is drawn anew")->type_name("WEIGHTS");
  command.add_flag("--new-head", t.new_head, "Draw the whole head anew though the pretrained one might fit");
  command.add_option("--freeze", t.freeze, "Layers that stay as they are: none, backbone or up-to:LAYER");
  add_real(command, "--head-lr", t.head_lr, kPositive, "Learning rate of the head")->default_str("--lr");
  add_real(command, "--backbone-lr", t.backbone_lr, kPositive, "Learning rate of all before the head")->default_str("--lr");
}

std::string read_words(const std::vector<std::string>& words, std::string architecture, TrainOptions& options) {
  CLI::App app("sepia train");
  app.add_option("ARCH", architecture);
  add_train_options(app, options);
  app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  return architecture;
}

std::string preset_help() {
  std::string help = "Settings that go together; options given beside it win.";
  for (const TrainPreset& preset : train_presets()) help += " " + preset.name + ": " + preset.summary + (preset.options.empty() ? "." : " (" + preset.options + ").");
  return help;
}

}  // namespace

std::string read_train_options(const std::vector<std::string>& words, const std::string& architecture, TrainOptions& options) {
  std::string read = read_words(words, architecture, options);
  if (options.preset.empty()) return read;
  const std::string input = options.input;
  read_words(preset_words(train_preset(options.preset)), architecture, options);
  read = read_words(words, architecture, options);
  if (!options.config.transfer.pretrained.empty()) options.input = input;
  return read;
}

void add_train_options(CLI::App& command, TrainOptions& options) {
  train::TrainConfig& c = options.config;
  command.add_option("--data", c.data, "Data set: FOLDER/{train,val,test}/{real,fake}/*")->type_name("FOLDER");
  add_class_map_option(command, c.real_folder, c.fake_folder);
  command.add_option("--out", options.out, "New folder for the run")->type_name("FOLDER");
  command.add_flag("--overwrite", options.overwrite, "Write into --out although it holds files");
  command.add_option("--resume", options.resume, "Go on with the run in this folder; needs nothing else")->type_name("RUN");
  command.add_flag("--self-test", options.self_test, "Instead of a run: three controls with these settings that find a faulty part; exit 1 if one fails");
  command.add_option("--preset", options.preset, preset_help())->type_name("NAME");
  add_image_size_option(command, options.image_size, 8);
  add_protocol_options(command, options);
  add_optimizer_options(command, options);
  add_transfer_options(command, options);
  add_whole(command, "--checkpoint-every", c.checkpoint_every, 0, 1'000'000'000, "Steps between checkpoints besides the one after every epoch; 0: none");
  add_workers_option(command, c.workers);
  add_device_options(command, options.device);
  command.add_flag("--document-units", options.document_units, "In the report: losses divided by the batch size, as the document prints them");
  add_json_option(command, options.json);
}

void apply_words(TrainOptions& options) {
  train::TrainConfig& c = options.config;
  if (!options.opt.empty()) c.optimizer.algorithm = optim::algorithm_from_name(options.opt);
  if (!options.sched.empty()) c.schedule.kind = optim::schedule_from_name(options.sched);
  if (!options.select.empty()) c.select = train::select_from_name(options.select);
  if (!options.bad_images.empty()) c.bad_images = train::bad_images_from_name(options.bad_images);
  if (!options.input.empty()) {
    const ops::InputKind kind = ops::input_kind_from_name(options.input);
    if (kind != c.normalisation.kind) c.normalisation = kind == ops::InputKind::kResidual ? ops::kResidualInput : models::default_spec(c.model).normalisation;
  }
  SEPIA_CHECK(options.normalise.empty() || c.normalisation.kind == ops::InputKind::kRgb, "--normalise is for --input rgb; a residual has no mean and deviation to take out");
  if (!options.normalise.empty()) c.normalisation = normalisation_of(options.normalise, options.of_model.value_or(models::default_spec(c.model).normalisation));
  if (options.class_weights == "balanced") {
    c.balance_classes = true;
  } else if (!options.class_weights.empty()) {
    c.class_weights = comma_separated("--class-weights", options.class_weights, kPositive);
    SEPIA_CHECK(c.class_weights.size() == 2, "--class-weights must be REAL,FAKE or balanced; got '", options.class_weights, "'");
  }
  c.image_size = options.image_size;
  SEPIA_CHECK(!c.transfer.new_head || !c.transfer.pretrained.empty(), "--new-head is for --pretrained WEIGHTS; without them every layer is drawn anew");
  if (!c.transfer.pretrained.empty()) c.transfer.pretrained = std::filesystem::absolute(c.transfer.pretrained).lexically_normal().string();
  // Whole, so that a run can be resumed and its report made again from any folder.
  if (!c.data.empty()) c.data = std::filesystem::absolute(c.data).lexically_normal().string();
}

}  // namespace sepia::cli
