#include "engine/tensor/cuda_library.h"

#include <dlfcn.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <mutex>

#include "kernels/cuda_library.h"

namespace sepia {
namespace {

constexpr const char* kLibrary = "libsepia_cuda.so";

/// libsepia_cuda.so in the folder of the library that holds this function; empty when it is not there.
std::string library_beside_this_one() {
  Dl_info info;
  if (!dladdr(reinterpret_cast<const void*>(&find_cuda_backend), &info) || !info.dli_fname) return {};
  std::error_code ignored;
  const std::filesystem::path path = std::filesystem::absolute(info.dli_fname, ignored).parent_path() / kLibrary;
  return std::filesystem::exists(path, ignored) ? path.string() : std::string();
}

void* open_library(std::string& reason) {
  const char* asked = std::getenv("SEPIA_CUDA_BACKEND");
  const std::string beside = asked && *asked ? std::string() : library_beside_this_one();
  const std::string path = asked && *asked ? asked : beside.empty() ? kLibrary : beside;
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library) return library;
  const std::string detail = dlerror();
  reason = asked && *asked ? "SEPIA_CUDA_BACKEND: " + detail
           : beside.empty() ? "this sepia was built without CUDA"
                            : detail;
  return nullptr;
}

std::mutex mutex;
void* library = nullptr;  // never closed: its kernels may run until the process ends

}  // namespace

const kernels::Backend* find_cuda_backend(int index, std::string& reason) {
  const std::lock_guard lock(mutex);
  if (!library) library = open_library(reason);
  if (!library) return nullptr;
  const auto open = reinterpret_cast<kernels::cuda::Open>(dlsym(library, kernels::cuda::kOpenSymbol));
  if (!open) {
    reason = "the library of CUDA kernels does not export " + std::string(kernels::cuda::kOpenSymbol);
    return nullptr;
  }
  std::array<char, 512> message{};
  const kernels::cuda::OpenRequest request{.device = index,
                                           .interface_size = sizeof(kernels::Backend) + sizeof(kernels::KernelTable<float>),
                                           .message = message.data(),
                                           .message_capacity = message.size()};
  const kernels::Backend* backend = open(&request);
  if (!backend) reason = message.data();
  return backend;
}

std::string cuda_libraries() {
  const std::lock_guard lock(mutex);
  const auto describe = reinterpret_cast<kernels::cuda::Libraries>(library ? dlsym(library, kernels::cuda::kLibrariesSymbol) : nullptr);
  return describe ? describe() : "";
}

}  // namespace sepia
