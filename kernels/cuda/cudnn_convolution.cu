// One convolution as a graph of one operation of cuDNN's. NHWC: cuDNN counts dimensions as N, C, H, W and lays them out by strides.
//
// Of the engines that cuDNN proposes those are taken whose numerical notes name nothing but tensor cores (bf16 alone: in float that
// would be TF32) and exact propagation of NaN. That leaves out what is not deterministic, Winograd's and Fourier transforms, and
// operands or sums of less precision than they were given.
// Source: NVIDIA's description of the cuDNN backend interface, version 9.
#include "kernels/cuda/cudnn_convolution.h"

#if defined(SEPIA_CUDNN) && !defined(SEPIA_SIMT)

#include <cudnn.h>

#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace sepia::kernels::cuda {
namespace {

/// cuDNN's functions, found in the library at run time.
struct Functions {
  decltype(&cudnnGetVersion) version;
  decltype(&cudnnCreate) open;
  decltype(&cudnnSetStream) use_stream;
  decltype(&cudnnBackendCreateDescriptor) create;
  decltype(&cudnnBackendDestroyDescriptor) destroy;
  decltype(&cudnnBackendSetAttribute) set;
  decltype(&cudnnBackendGetAttribute) get;
  decltype(&cudnnBackendFinalize) finalize;
  decltype(&cudnnBackendExecute) execute;
  bool all_found;

  Functions() {
    const SharedLibrary library(str("libcudnn.so.", CUDNN_MAJOR));
    all_found = library.find(version, "cudnnGetVersion") && library.find(open, "cudnnCreate") && library.find(use_stream, "cudnnSetStream") &&
                library.find(create, "cudnnBackendCreateDescriptor") && library.find(destroy, "cudnnBackendDestroyDescriptor") &&
                library.find(set, "cudnnBackendSetAttribute") && library.find(get, "cudnnBackendGetAttribute") &&
                library.find(finalize, "cudnnBackendFinalize") && library.find(execute, "cudnnBackendExecute");
  }
};

const Functions& cudnn() {
  static const Functions functions;
  return functions;
}

/// Thrown where cuDNN does not report success; what was being tried is then not to be had.
struct Refused {};

void expect(cudnnStatus_t status) {
  if (status != CUDNN_STATUS_SUCCESS) throw Refused{};
}

/// An object of cuDNN's: created, given its attributes, finalized.
class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t type) { expect(cudnn().create(type, &raw_)); }
  Descriptor(Descriptor&& other) noexcept : raw_(std::exchange(other.raw_, nullptr)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(raw_, other.raw_);
    return *this;
  }
  ~Descriptor() {
    if (raw_) cudnn().destroy(raw_);
  }

  cudnnBackendDescriptor_t raw() const { return raw_; }

  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count, const void* values) {
    expect(cudnn().set(raw_, name, type, count, values));
  }
  template <class Value>
  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const Value& value) {
    set(name, type, 1, &value);
  }
  void set(cudnnBackendAttributeName_t name, const Descriptor& value) { set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, value.raw_); }
  void set(cudnnBackendAttributeName_t name, const std::vector<std::int64_t>& values) {
    set(name, CUDNN_TYPE_INT64, static_cast<std::int64_t>(values.size()), values.data());
  }
  void finalize() { expect(cudnn().finalize(raw_)); }

  /// How many of the attribute's elements there are; the first `capacity` are written to `values`.
  std::int64_t get(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t capacity, void* values) const {
    std::int64_t count = 0;
    expect(cudnn().get(raw_, name, type, capacity, &count, values));
    return count;
  }

 private:
  cudnnBackendDescriptor_t raw_ = nullptr;
};

/// Names of the tensors within the graph.
enum TensorId : std::int64_t { kX = 1, kWeight, kY };

/// A tensor (n, h, w, c) that lies in this order.
Descriptor tensor(TensorId id, DType type, const void* address, std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c) {
  Descriptor made(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  made.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, {id});
  made.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, type == DType::kBF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT);
  made.set(CUDNN_ATTR_TENSOR_DIMENSIONS, {n, c, h, w});
  made.set(CUDNN_ATTR_TENSOR_STRIDES, {h * w * c, 1, w * c, c});
  made.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, {alignment_of(address)});
  made.finalize();
  return made;
}

/// cuDNN's names for the parts of each of the three operations.
struct OperationNames {
  cudnnBackendDescriptorType_t type;
  cudnnBackendAttributeName_t x, weight, y, convolution, alpha, beta;
};
OperationNames names_of(ConvolutionPart part) {
  switch (part) {
    case ConvolutionPart::kForward:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,   CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,               CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
    case ConvolutionPart::kBackwardInput:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,                  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
    case ConvolutionPart::kBackwardWeight: break;
  }
  return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,                 CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
}

/// What plans are made for: the device that a handle has opened, or one that is only described.
struct Target {
  cudnnHandle_t handle = nullptr;
  std::optional<Descriptor> description;
};

/// The engines that cuDNN proposes for the graph, best first. Throws Refused when it cannot tell.
std::vector<Descriptor> proposals(const Target& target, const Descriptor& graph, cudnnBackendHeurMode_t mode) {
  Descriptor heuristic(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristic.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
  heuristic.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode);
  if (target.description) heuristic.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, *target.description);
  heuristic.finalize();
  std::vector<Descriptor> found;
  std::vector<cudnnBackendDescriptor_t> raw;
  const std::int64_t count = heuristic.get(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, nullptr);
  for (std::int64_t i = 0; i < count; ++i) raw.push_back(found.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR).raw());
  const std::int64_t filled = heuristic.get(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, count, raw.data());
  while (static_cast<std::int64_t>(found.size()) > filled) found.pop_back();
  return found;
}

struct Engine {
  std::int64_t index = 0;
  std::vector<cudnnBackendNumericalNote_t> notes = std::vector<cudnnBackendNumericalNote_t>(64);

  explicit Engine(const Descriptor& configuration) {
    const Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    cudnnBackendDescriptor_t raw = engine.raw();
    configuration.get(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &raw);
    engine.get(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &index);
    const auto capacity = static_cast<std::int64_t>(notes.size());
    notes.resize(static_cast<std::size_t>(engine.get(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, capacity, notes.data())));
  }

  bool on_tensor_cores() const { return std::find(notes.begin(), notes.end(), CUDNN_NUMERICAL_NOTE_TENSOR_CORE) != notes.end(); }

  /// Whether the notes name nothing that the head of this file rules out. Those that it does not know are ruled out too.
  bool keeps_to_the_rules(DType operand_type) const {
    return std::all_of(notes.begin(), notes.end(), [&](cudnnBackendNumericalNote_t note) {
      return note == CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP || (note == CUDNN_NUMERICAL_NOTE_TENSOR_CORE && operand_type == DType::kBF16);
    });
  }
};

/// One convolution, ready to run. What cuDNN was told is kept as long as the plan.
class Plan {
 public:
  /// Throws Refused when cuDNN has nothing for the task.
  Plan(const Target& target, const CudnnTask& task) {
    const Conv2dShape& s = task.shape;
    const auto address = [&](ConvolutionPart result_of, const void* operand) { return task.part == result_of ? task.result : operand; };
    const auto type = [&](ConvolutionPart result_of) { return task.part == result_of ? task.result_type : task.operand_type; };
    const OperationNames names = names_of(task.part);
    Descriptor convolution(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    convolution.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
    convolution.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, CUDNN_CROSS_CORRELATION);
    convolution.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, {2});
    convolution.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, {s.padding, s.padding});
    convolution.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, {s.padding, s.padding});
    convolution.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, {s.stride, s.stride});
    convolution.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, {1, 1});
    convolution.finalize();
    Descriptor operation(names.type);
    operation.set(names.convolution, keep(std::move(convolution)));
    operation.set(names.x, keep(tensor(kX, type(ConvolutionPart::kBackwardInput), address(ConvolutionPart::kBackwardInput, task.x), s.batch,
                                       s.height, s.width, s.in_channels)));
    operation.set(names.weight, keep(tensor(kWeight, type(ConvolutionPart::kBackwardWeight), address(ConvolutionPart::kBackwardWeight, task.weight),
                                            s.out_channels, s.kernel_h, s.kernel_w, s.in_channels)));
    operation.set(names.y, keep(tensor(kY, type(ConvolutionPart::kForward), address(ConvolutionPart::kForward, task.grad_y), s.batch,
                                       s.out_height(), s.out_width(), s.out_channels)));
    operation.set(names.alpha, CUDNN_TYPE_FLOAT, 1.0f);
    operation.set(names.beta, CUDNN_TYPE_FLOAT, task.accumulate == Accumulate::kAdd ? 1.0f : 0.0f);
    operation.finalize();
    Descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    if (target.handle) graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, target.handle);
    graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, keep(std::move(operation)));
    graph.finalize();
    choose(target, keep(std::move(graph)), task.operand_type);
  }

  /// Throws Refused when cuDNN reports an error.
  void run(const LaunchContext& context, cudnnHandle_t handle, const CudnnTask& task, void* result) const {
    const auto address = [&](ConvolutionPart result_of, const void* operand) { return task.part == result_of ? result : const_cast<void*>(operand); };
    void* const addresses[] = {address(ConvolutionPart::kBackwardInput, task.x), address(ConvolutionPart::kBackwardWeight, task.weight),
                               address(ConvolutionPart::kForward, task.grad_y)};
    void* const workspace = library_workspace(context, static_cast<std::size_t>(workspace_bytes_));
    if (!workspace) throw Refused{};
    Descriptor memory(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    memory.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, {kX, kWeight, kY});
    memory.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, std::size(addresses), addresses);
    memory.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, workspace);
    memory.finalize();
    expect(cudnn().execute(handle, plan_->raw(), memory.raw()));
  }

  const std::string& description() const { return description_; }

 private:
  const Descriptor& keep(Descriptor&& part) { return parts_.emplace_back(std::move(part)); }

  /// Finds the plan among what the heuristic proposes, and behind it among what works everywhere.
  void choose(const Target& target, const Descriptor& graph, DType operand_type) {
    for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
      try {
        for (Descriptor& configuration : proposals(target, graph, mode)) {
          const Engine engine(configuration);
          if (!engine.keeps_to_the_rules(operand_type) || !take(target, configuration)) continue;
          description_ = str("engine ", engine.index, engine.on_tensor_cores() ? ", tensor cores, " : ", ", workspace_bytes_, " bytes");
          keep(std::move(configuration));
          return;
        }
      } catch (const Refused&) {  // the other one may know
      }
    }
    throw Refused{};
  }

  /// Makes the plan of one configuration; false when it does not support the graph after all, or needs more memory than it may have.
  bool take(const Target& target, const Descriptor& configuration) {
    try {
      Descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
      if (target.handle) plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, target.handle);
      if (target.description) plan.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, *target.description);
      plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration);
      plan.finalize();
      plan.get(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &workspace_bytes_);
      if (workspace_bytes_ > static_cast<std::int64_t>(kLibraryWorkspace)) return false;
      plan_ = std::move(plan);
      return true;
    } catch (const Refused&) {
      return false;
    }
  }

  std::deque<Descriptor> parts_;
  std::optional<Descriptor> plan_;
  std::int64_t workspace_bytes_ = 0;
  std::string description_;
};

/// What a host thread has of cuDNN. Kept until the process ends, as its handle may be in use by a captured graph.
struct ThreadCudnn {
  Target target;
  cudaStream_t stream = nullptr;
  std::map<WorkKey, std::optional<Plan>> plans;  ///< empty: there is none
};

ThreadCudnn* thread_cudnn() {
  thread_local ThreadCudnn* opened = [] {
    auto* made = new ThreadCudnn;
    if (cudnn().all_found && cudnn().open(&made->target.handle) == CUDNN_STATUS_SUCCESS) return made;
    delete made;
    return static_cast<ThreadCudnn*>(nullptr);
  }();
  return opened;
}

}  // namespace

bool cudnn_found() { return thread_cudnn() != nullptr; }

std::string describe_cudnn() {
  if (!cudnn().all_found) return str("no libcudnn.so.", CUDNN_MAJOR);
  const std::size_t number = cudnn().version();
  return str("cuDNN ", number / 10000, ".", number / 100 % 100, ".", number % 100);
}

bool cudnn_convolution(const LaunchContext& context, const WorkKey& key, const CudnnTask& task, void* result) {
  ThreadCudnn& own = *thread_cudnn();
  try {
    const cudaStream_t stream = detail::stream_of(context);
    if (own.stream != stream) expect(cudnn().use_stream(own.target.handle, stream));
    own.stream = stream;
    const auto [place, is_new] = own.plans.try_emplace(key);
    if (is_new) place->second.emplace(own.target, task);
    if (!place->second) return false;
    place->second->run(context, own.target.handle, task, result);
    return true;
  } catch (const Refused&) {
    return false;
  }
}

std::string describe_cudnn_plan(const CudnnTask& task, const std::string& device) {
  Target target;
  try {
    if (!cudnn().all_found) return "no cuDNN";
    target.description.emplace(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
    target.description->set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, static_cast<std::int64_t>(device.size()), device.data());
    target.description->finalize();
  } catch (const Refused&) {
    return "no cuDNN";
  }
  try {
    return Plan(target, task).description();
  } catch (const Refused&) {
    return "no engine";
  }
}

}  // namespace sepia::kernels::cuda

#else

namespace sepia::kernels::cuda {

bool cudnn_found() { return false; }
std::string describe_cudnn() { return "built without cuDNN"; }
bool cudnn_convolution(const LaunchContext&, const WorkKey&, const CudnnTask&, void*) { return false; }
std::string describe_cudnn_plan(const CudnnTask&, const std::string&) { return "no cuDNN"; }

}  // namespace sepia::kernels::cuda

#endif
