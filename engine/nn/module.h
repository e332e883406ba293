// A network or a part of one: parameters, buffers and sub-modules under PyTorch's names, and a forward function.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/nn/parameter.h"

namespace sepia::nn {

class FlatParameters;

/// Derive, add sub-modules and parameters in the constructor, write forward(). Modules own their children; references returned by
/// add() stay valid. Not copyable.
class Module {
 public:
  Module();
  virtual ~Module();
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /// forward() and then the hooks.
  Variable operator()(const Variable& x);

  /// "Conv2d", "BatchNorm2d", ...: for summaries.
  virtual std::string type() const = 0;
  /// Floating-point operations of this module itself for the given shapes, 2 per multiply-add; 0 for containers.
  virtual std::int64_t flops(const Shape& input, const Shape& output) const;

  /// Training or evaluation mode of this module and all below it (batch norm differs).
  void train(bool training = true);
  void eval() { train(false); }
  bool training() const { return training_; }

  /// The module at a dotted path ("blocks.1.bn"); "" is this one. Throws kUsage and lists the names when there is none.
  Module& at(const std::string& path);
  /// All modules with their dotted paths, this one first, in the order of their making.
  std::vector<std::pair<std::string, Module*>> named_modules();
  /// All parameters in PyTorch's state-dict order.
  std::vector<std::pair<std::string, Parameter*>> named_parameters();
  std::vector<std::pair<std::string, Buffer*>> named_buffers();
  std::int64_t parameter_count();
  bool is_leaf() const { return children_.empty(); }

  /// Called with (input, output) after forward, output materialised, as the network goes on with it. To see its gradient later,
  /// call output.slot()->retain() in the hook. A hook takes the module's neighbours off the fused path; results stay the same,
  /// but for sums over a batch, which may be added in another order.
  using Hook = std::function<void(const Variable& input, const Variable& output)>;
  void add_hook(Hook hook) { hooks_.push_back(std::move(hook)); }
  void clear_hooks() { hooks_.clear(); }
  /// Whether anybody looks on as this network runs: a ModuleObserver on this thread, or a hook on any module in it. If not, and in
  /// evaluation mode without a tape, several threads may call it at the same time.
  bool watched() const;
  /// Whether a ModuleObserver looks on on this thread, who wants to see each layer do its own work: a stem is then not left pending
  /// for inference (Conv2d::Options::separable).
  static bool observed();

  /// Gives parameters and buffers memory on a device: weights and buffers start as their initialisers say for `seed`.
  /// dtype is the activation type: kF32 on the CPU, kF32 or kF64 on the reference device, kF32 or kBF16 on a CUDA device.
  void place(Device device, DType dtype, std::uint64_t seed);
  /// The same without drawing the weights, for a model whose whole state is loaded next (io/weights.h): xception's 23 million draws take
  /// longer than reading them from a file. Until every weight has its value, running or saving the model throws kInternal.
  void place_undrawn(Device device, DType dtype);
  /// The flat arenas of a placed model. Throws kInternal before place() and on modules that are not the root.
  FlatParameters& flat();
  Device device() const { return device_; }
  DType dtype() const { return dtype_; }

 protected:
  virtual Variable forward(const Variable& x) = 0;

  template <class M, class... Arguments>
  M& add(const std::string& name, Arguments&&... arguments) {
    auto child = std::make_unique<M>(std::forward<Arguments>(arguments)...);
    M& reference = *child;
    children_.emplace_back(name, std::move(child));
    return reference;
  }
  Parameter& add_parameter(const std::string& name, Parameter parameter);
  Buffer& add_buffer(const std::string& name, Buffer buffer);

 private:
  template <class Visit>
  void visit(const std::string& prefix, const Visit& f);

  std::vector<std::pair<std::string, std::unique_ptr<Module>>> children_;
  std::vector<std::pair<std::string, std::unique_ptr<Parameter>>> parameters_;
  std::vector<std::pair<std::string, std::unique_ptr<Buffer>>> buffers_;
  std::vector<Hook> hooks_;
  std::unique_ptr<FlatParameters> flat_;
  Device device_;
  DType dtype_ = DType::kF32;
  bool training_ = true;
};

/// Sees every module call on this thread while it lives, without touching the fused path: shapes for summaries, boundaries for clocks.
class ModuleObserver {
 public:
  using Callback = std::function<void(Module& module, const Shape& input, const Shape& output)>;
  using Entered = std::function<void(Module& module)>;
  /// `callback` is called after each module's forward, ahead of its hooks; `entered`, when given, before its forward.
  explicit ModuleObserver(Callback callback, Entered entered = {});
  ~ModuleObserver();
  ModuleObserver(const ModuleObserver&) = delete;
  ModuleObserver& operator=(const ModuleObserver&) = delete;

 private:
  friend class Module;
  Callback callback_;
  Entered entered_;
  ModuleObserver* previous_;
};

}  // namespace sepia::nn
