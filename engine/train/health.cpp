#include "engine/train/health.h"

#include <cmath>
#include <iomanip>
#include <map>
#include <numbers>
#include <sstream>

#include "engine/nn/layers.h"
#include "engine/train/inference.h"

namespace sepia::train {
namespace {

std::string layer_of(const std::string& parameter) { return parameter.substr(0, parameter.rfind('.')); }

double dead_share_of(const Tensor& activation) {
  const std::int64_t channels = activation.shape()[-1];
  std::vector<bool> alive(static_cast<std::size_t>(channels));
  const std::int64_t rows = activation.numel() / channels;
  // In slices, so that the copy on the host stays small beside the activation itself.
  const std::int64_t rows_at_once = std::max<std::int64_t>(1, (1 << 18) / channels);
  for (std::int64_t begin = 0; begin < rows; begin += rows_at_once) {
    const std::int64_t count = std::min(rows_at_once, rows - begin) * channels;
    const std::vector<double> values = activation.slice(begin * channels, {count}).to_doubles();
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (values[i] > 0) alive[i % static_cast<std::size_t>(channels)] = true;
    }
  }
  return static_cast<double>(std::ranges::count(alive, false)) / static_cast<double>(channels);
}

// For every layer with parameters the dead share of the first ReLU that runs after it.
std::map<std::string, double> dead_shares(nn::Module& model, const Batch& probe, const ops::Normalisation& normalisation) {
  std::map<std::string, double> result;
  std::vector<std::string> waiting;  // layers with parameters since the last ReLU
  std::vector<nn::Module*> hooked;
  for (const auto& [name, module] : model.named_modules()) {
    if (!module->is_leaf()) continue;
    if (dynamic_cast<nn::ReLU*>(module)) {
      module->add_hook([&](const Variable&, const Variable& output) {
        const double share = dead_share_of(output.value());
        for (const std::string& layer : waiting) result[layer] = share;
        waiting.clear();
      });
      hooked.push_back(module);
    } else if (!module->named_parameters().empty()) {
      module->add_hook([&waiting, layer = name](const Variable&, const Variable&) { waiting.push_back(layer); });
      hooked.push_back(module);
    }
  }
  const NoGradGuard no_grad;
  const bool was_training = model.training();
  model.eval();
  {
    const StepScope scope(model.device(), str("health ", probe.n, "x", probe.height, "x", probe.width));
    model(network_input(model, probe, normalisation));
  }
  model.train(was_training);
  for (nn::Module* module : hooked) module->clear_hooks();
  return result;
}

std::string percent(double share) { return str(std::lround(100 * share), "%"); }

std::string rounded(double value, int digits) {
  std::ostringstream out;
  out << std::setprecision(digits) << value;
  return out.str();
}

}  // namespace

std::vector<LayerHealth> layer_health(nn::Module& model, const Batch& probe, const ops::Normalisation& normalisation,
                                      const std::vector<UpdateFigures>& updates) {
  const std::map<std::string, double> dead = dead_shares(model, probe, normalisation);
  std::vector<LayerHealth> result;
  double gradient = 0, weight = 0, update = 0;  // sums of squares of the layer's parameters
  for (std::size_t i = 0; i < updates.size(); ++i) {
    gradient += updates[i].gradient_norm * updates[i].gradient_norm;
    weight += updates[i].weight_norm * updates[i].weight_norm;
    update += updates[i].update_norm * updates[i].update_norm;
    const std::string layer = layer_of(updates[i].name);
    if (i + 1 < updates.size() && layer_of(updates[i + 1].name) == layer) continue;
    LayerHealth health{.layer = layer, .dead_share = std::nullopt, .gradient_norm = std::sqrt(gradient),
                       .update_ratio = weight > 0 ? std::sqrt(update / weight) : 0};
    if (const auto found = dead.find(layer); found != dead.end()) health.dead_share = found->second;
    result.push_back(std::move(health));
    gradient = weight = update = 0;
  }
  return result;
}

std::string training_verdict(const VerdictInput& input) {
  const auto& epochs = input.history.epochs;
  if (epochs.empty()) return "no epoch was finished";
  const EpochRecord& last = epochs.back();
  double best_loss = last.train_loss;
  for (const EpochRecord& epoch : epochs) best_loss = std::min(best_loss, epoch.train_loss);

  // Two per cent below ln 2 is what guessing the class proportions of a mildly unbalanced set can reach.
  constexpr double kNotBelow = 0.98 * std::numbers::ln2;
  if (best_loss > kNotBelow) {
    std::string text = "not learning: training loss stayed at ln 2";
    if (last.train_loss > 1.1 * std::numbers::ln2) text = str("not learning: training loss ended at ", rounded(last.train_loss, 3), ", above ln 2");
    if (!input.all_one_class.empty()) text += str(", all ", input.predictions, " predictions \"", input.all_one_class, "\"");
    const LayerHealth* worst = nullptr;
    for (const LayerHealth& layer : last.health) {
      if (layer.dead_share.value_or(0) >= 0.5 && (!worst || *layer.dead_share > *worst->dead_share)) worst = &layer;
    }
    if (worst) text += str(", ", percent(*worst->dead_share), " of ", worst->layer, " dead");
    return text + str("; try --lr ", rounded(input.learning_rate / 10, 2));
  }
  if (last.val && last.train_acc - last.val->accuracy > 0.1) {
    return str("overfitting (train - val = ", rounded(last.train_acc - last.val->accuracy, 2), " in accuracy); ",
               "more pictures, --patience or --weight-decay help");
  }
  return "learning";
}

}  // namespace sepia::train
