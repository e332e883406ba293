// A scenario is a small program for the emulated device, most often with one deliberate mistake. It lives beside its kernels in a
// .cu file; tests run it by name and look at the faults and counters.
#pragma once

#include <cuda_runtime.h>

#include <cstdlib>
#include <string>

namespace selftest {

struct Scenario {
  const char* name;
  void (*run)();
  Scenario* next;
  static Scenario*& first() {
    static Scenario* head = nullptr;
    return head;
  }
  Scenario(const char* scenario_name, void (*body)()) : name(scenario_name), run(body), next(first()) { first() = this; }
};

/// Device memory for n values, freed at the end of the scenario.
template <class T>
class Device {
 public:
  explicit Device(std::size_t n) : n_(n) { cudaMalloc(&data_, n * sizeof(T)); }
  Device(std::size_t n, T value) : Device(n) {
    T* host = static_cast<T*>(std::malloc(n * sizeof(T)));
    for (std::size_t i = 0; i < n; ++i) host[i] = value;
    cudaMemcpy(data_, host, n * sizeof(T), cudaMemcpyHostToDevice);
    std::free(host);
  }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  ~Device() { cudaFree(data_); }
  T* get() const { return data_; }
  /// Waits and fetches one value.
  T operator[](std::size_t i) const {
    T value{};
    cudaMemcpy(&value, data_ + i, sizeof(T), cudaMemcpyDeviceToHost);
    return value;
  }

 private:
  T* data_ = nullptr;
  std::size_t n_;
};

/// What did not come out as it should, for the test that runs the scenario.
inline std::string& complaints() {
  static std::string text;
  return text;
}

/// A value that should have come out.
template <class A, class B>
void expect(A got, B wanted, const char* what) {
  if (static_cast<double>(got) == static_cast<double>(wanted)) return;
  complaints() += std::string(what) + ": got " + std::to_string(got) + ", wanted " + std::to_string(wanted) + "\n";
}

}  // namespace selftest

#define SCENARIO(name)                                                    \
  static void scenario_##name();                                          \
  static const selftest::Scenario entry_##name(#name, &scenario_##name); \
  static void scenario_##name()
