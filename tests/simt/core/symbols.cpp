#include "tests/simt/core/symbols.h"

#include <cxxabi.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>

namespace simt::core {
namespace {

/// Thread-local, so that its address leads to the calling thread's block (which comes to life by being touched).
thread_local volatile char anchor = 0;

struct Image {
  std::string path;
  std::uintptr_t load_address = 0, begin = 0, end = 0;
  std::size_t tls_bytes = 0;
  std::ptrdiff_t anchor_offset = 0;  ///< of `anchor` in the thread-local block
  struct Symbol {
    std::uintptr_t value;
    std::size_t bytes;
    std::string name;
  };
  std::vector<Symbol> functions, shared;  ///< sorted by value; of shared the value is the offset in the block
  std::vector<std::uint8_t> map;
};

int find_own_module(dl_phdr_info* info, std::size_t, void* out) {
  auto& image = *static_cast<Image*>(out);
  const auto here = reinterpret_cast<std::uintptr_t>(&find_own_module);
  bool mine = false;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& segment = info->dlpi_phdr[i];
    const std::uintptr_t begin = info->dlpi_addr + segment.p_vaddr;
    if (segment.p_type == PT_LOAD && here - begin < segment.p_memsz) mine = true;
  }
  if (!mine) return 0;
  image.load_address = info->dlpi_addr;
  // The program itself has no name here.
  const std::unique_ptr<char, void (*)(void*)> path(
      realpath(info->dlpi_name && info->dlpi_name[0] ? info->dlpi_name : "/proc/self/exe", nullptr), std::free);
  if (path) image.path = path.get();
  image.begin = UINTPTR_MAX;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& segment = info->dlpi_phdr[i];
    if (segment.p_type == PT_TLS) {
      image.tls_bytes = segment.p_memsz;
      image.anchor_offset = const_cast<const char*>(&anchor) - static_cast<const char*>(info->dlpi_tls_data);
    }
    if (segment.p_type != PT_LOAD) continue;
    image.begin = std::min(image.begin, static_cast<std::uintptr_t>(info->dlpi_addr + segment.p_vaddr));
    image.end = std::max(image.end, static_cast<std::uintptr_t>(info->dlpi_addr + segment.p_vaddr + segment.p_memsz));
  }
  return 1;
}

void read_symbol_table(Image& image) {
  const int file = open(image.path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  struct stat status {};
  fstat(file, &status);
  void* mapped = mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ, MAP_PRIVATE, file, 0);
  close(file);
  if (mapped == MAP_FAILED) return;
  const char* base = static_cast<const char*>(mapped);
  const auto* header = reinterpret_cast<const ElfW(Ehdr)*>(base);
  const auto* sections = reinterpret_cast<const ElfW(Shdr)*>(base + header->e_shoff);
  for (int i = 0; i < header->e_shnum; ++i) {
    if (sections[i].sh_type != SHT_SYMTAB) continue;
    const auto* symbols = reinterpret_cast<const ElfW(Sym)*>(base + sections[i].sh_offset);
    const char* names = base + sections[sections[i].sh_link].sh_offset;
    for (std::size_t s = 0; s < sections[i].sh_size / sizeof(ElfW(Sym)); ++s) {
      const int type = ELF64_ST_TYPE(symbols[s].st_info);
      const Image::Symbol symbol{symbols[s].st_value, symbols[s].st_size, names + symbols[s].st_name};
      if (type == STT_FUNC && symbol.bytes > 0) image.functions.push_back(symbol);
      if (type == STT_TLS && symbol.bytes > 0) image.shared.push_back(symbol);
    }
  }
  munmap(mapped, static_cast<std::size_t>(status.st_size));
  const auto by_value = [](const Image::Symbol& a, const Image::Symbol& b) { return a.value < b.value; };
  std::sort(image.functions.begin(), image.functions.end(), by_value);
  std::sort(image.shared.begin(), image.shared.end(), by_value);
}

/// Only variables that kernels declared: local to a function, and no guard.
bool is_shared_variable(const std::string& mangled) {
  return mangled.starts_with("_ZZ") && mangled.find("simt_guard_") == std::string::npos;
}

const Image& image() {
  static const Image& found = []() -> const Image& {
    Image& own = *new Image;
    anchor = 1;
    dl_iterate_phdr(find_own_module, &own);
    read_symbol_table(own);
    std::erase_if(own.shared, [](const Image::Symbol& s) { return !is_shared_variable(s.name); });
    own.map.assign(own.tls_bytes / 4 + 1, 0);
    for (const auto& symbol : own.shared) {
      for (std::size_t word = symbol.value / 4; word <= (symbol.value + symbol.bytes - 1) / 4; ++word) own.map[word] = 1;
    }
    return own;
  }();
  return found;
}

std::string demangle(const std::string& name) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status), std::free);
  return status == 0 ? text.get() : name;
}

/// "void a::(anonymous namespace)::f<b::T, 4>(float*)" -> "f<b::T, 4>".
std::string short_name(const std::string& demangled) {
  std::size_t begin = 0, end = demangled.size();
  int depth = 0;
  static const std::string kAnonymous = "(anonymous namespace)";
  for (std::size_t i = 0; i < demangled.size(); ++i) {
    if (demangled.compare(i, kAnonymous.size(), kAnonymous) == 0) {
      i += kAnonymous.size() - 1;
      continue;
    }
    const char c = demangled[i];
    if (c == '(' && depth == 0) {
      end = i;
      break;
    }
    if (c == '<' || c == '(') ++depth;
    if (c == '>' || c == ')') --depth;
    if (depth == 0 && (c == ' ' || c == ':')) begin = i + 1;
  }
  return demangled.substr(begin, end - begin);
}

/// The output of `command`, line by line.
std::vector<std::string> lines_of(const std::string& command) {
  std::vector<std::string> lines;
  FILE* pipe = popen(command.c_str(), "r");
  if (!pipe) return lines;
  char* line = nullptr;
  std::size_t capacity = 0;
  for (ssize_t length; (length = getline(&line, &capacity, pipe)) > 0;)
    lines.emplace_back(line, line + length - (line[length - 1] == '\n'));
  std::free(line);
  pclose(pipe);
  return lines;
}

/// Cuts what differs from machine to machine: all before the last of the folders that hold sources.
std::string short_path(std::string line) {
  if (const auto note = line.find(" (discriminator"); note != std::string::npos) line.resize(note);
  for (const char* folder : {"/kernels/cuda/", "/tests/simt/"}) {
    if (const auto at = line.rfind(folder); at != std::string::npos) return line.substr(at + 1);
  }
  return line;
}

}  // namespace

const Function& function_at(const void* address) {
  static auto& known = *new std::map<const void*, Function>;
  const auto [entry, fresh] = known.try_emplace(address);
  if (!fresh) return entry->second;
  const std::uintptr_t value = reinterpret_cast<std::uintptr_t>(address) - image().load_address;
  for (const auto& symbol : image().functions) {
    if (symbol.value != value) continue;
    entry->second = {short_name(demangle(symbol.name)), reinterpret_cast<std::uintptr_t>(address), symbol.bytes};
    return entry->second;
  }
  entry->second.name = "kernel";
  return entry->second;
}

std::string source_line(const void* return_address) {
  static auto& known = *new std::map<const void*, std::string>;
  const auto [entry, fresh] = known.try_emplace(return_address);
  if (!fresh) return entry->second;
  char command[4096];
  std::snprintf(command, sizeof command, "addr2line -i -e '%s' 0x%zx 2>/dev/null", image().path.c_str(),
                static_cast<std::size_t>(reinterpret_cast<std::uintptr_t>(return_address) - 1 - image().load_address));
  for (const std::string& line : lines_of(command)) {
    if (line.find("simt/include/") != std::string::npos || line.starts_with("??")) continue;
    entry->second = short_path(line);
    break;
  }
  if (entry->second.empty()) {
    std::snprintf(command, sizeof command, "code %p", return_address);
    entry->second = command;
  }
  return entry->second;
}

StaticShared static_shared() {
  anchor = 1;
  if (image().tls_bytes == 0) return {};
  return {reinterpret_cast<std::uintptr_t>(&anchor) - static_cast<std::uintptr_t>(image().anchor_offset), image().tls_bytes};
}

const std::uint8_t* static_shared_map() { return image().map.data(); }

SharedVariable shared_variable_at(std::size_t offset) {
  const auto& shared = image().shared;
  auto after =
      std::upper_bound(shared.begin(), shared.end(), offset, [](std::size_t value, const Image::Symbol& s) { return value < s.value; });
  if (after == shared.begin()) return {};
  --after;
  const std::string name = demangle(after->name);
  return {name.substr(name.rfind(':') + 1), after->value, after->bytes};
}

bool in_own_image(std::uintptr_t address) { return address - image().begin < image().end - image().begin; }

}  // namespace simt::core
