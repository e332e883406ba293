// A network of one's own, trained to tell lying stripes from standing ones.
#include <sepia/sepia.h>

#include <cstdio>
#include <vector>

using namespace sepia;

// A module adds its parts in the constructor and says in forward() how they follow each other.
class StripeNet : public nn::Module {
 public:
  StripeNet()
      : conv_(add<nn::Conv2d>("conv", nn::Conv2d::Options{.in_channels = 1, .out_channels = 8, .kernel = 3, .padding = 1, .bias = false})),
        bn_(add<nn::BatchNorm2d>("bn", nn::BatchNorm2d::Options{.channels = 8})),
        relu_(add<nn::ReLU>("relu")),
        pool_(add<nn::GlobalAvgPool>("pool")),
        fc_(add<nn::Linear>("fc", nn::Linear::Options{.in_features = 8, .out_features = 2})) {}
  std::string type() const override { return "StripeNet"; }

 protected:
  Variable forward(const Variable& x) override { return fc_(pool_(relu_(bn_(conv_(x))))); }

 private:
  nn::Conv2d& conv_;
  nn::BatchNorm2d& bn_;
  nn::ReLU& relu_;
  nn::GlobalAvgPool& pool_;
  nn::Linear& fc_;
};

constexpr int kBatch = 32, kSide = 16;

struct Stripes {
  std::vector<float> pixels = std::vector<float>(kBatch * kSide * kSide);  // N, H, W, C with one channel
  std::vector<std::int32_t> labels = std::vector<std::int32_t>(kBatch);
};

Stripes draw_batch(std::uint32_t number) {
  RandomStream random(1, RandomPurpose::kToyData, number);
  Stripes batch;
  for (int n = 0; n < kBatch; ++n) {
    const int label = batch.labels[n] = static_cast<std::int32_t>(random.below(2));
    const int period = 3 + static_cast<int>(random.below(4));
    for (int y = 0; y < kSide; ++y) {
      for (int x = 0; x < kSide; ++x) {
        const bool bright = (label == 0 ? y : x) % period < period / 2;
        batch.pixels[(n * kSide + y) * kSide + x] = static_cast<float>((bright ? 1.0 : 0.0) + 0.3 * random.normal());
      }
    }
  }
  return batch;
}

int main() {
  StripeNet net;
  net.place(kCpuDevice, DType::kF32, /*seed=*/1);
  nn::FlatParameters& parameters = net.flat();
  parameters.require_gradients();
  optim::Optimizer adam({.lr = 0.01}, parameters.weights(), parameters.gradients(), {{.offset = 0, .count = parameters.size()}});

  const auto loss_of = [&](std::uint32_t number) {
    const Stripes batch = draw_batch(number);
    const Variable x(Tensor::from_host<float>(batch.pixels, {kBatch, kSide, kSide, 1}, kCpuDevice));
    return ops::cross_entropy(net(x), Tensor::from_host<std::int32_t>(batch.labels, {kBatch}, kCpuDevice));
  };
  for (std::uint32_t step = 0; step < 200; ++step) {
    const Variable loss = loss_of(step);
    backward(loss);
    parameters.complete_gradients();
    adam.step(adam.options().lr);
    parameters.commit_running_statistics();
    parameters.clear_gradients();
    if (step % 50 == 0) std::printf("step %3u  loss %.4f\n", step, loss.value().item());
  }

  net.eval();  // batch norm now uses its running statistics
  const NoGradGuard no_grad;
  const double unseen = loss_of(1000).value().item();
  std::printf("loss on unseen pictures %.4f (guessing: 0.6931)\n", unseen);
  return unseen < 0.2 ? 0 : 1;
}
