#include "tools/gpu/cubin.h"

#include <cxxabi.h>
#include <elf.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <regex>
#include <span>
#include <tuple>

#include "engine/base/error.h"

namespace sepia::gpu {
namespace {

using Bytes = std::span<const char>;

/// T at `offset`; a file that ends before it is refused.
template <class T>
T read(Bytes bytes, std::size_t offset) {
  SEPIA_CHECK_KIND(offset <= bytes.size() && bytes.size() - offset >= sizeof(T), ErrorKind::kData, "the library's CUDA code is cut off");
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

/// An ELF file in memory.
class Elf {
 public:
  explicit Elf(Bytes bytes) : bytes_(bytes), header_(read<Elf64_Ehdr>(bytes, 0)) {
    for (int i = 0; i < header_.e_shnum; ++i) sections_.push_back(read<Elf64_Shdr>(bytes, header_.e_shoff + i * sizeof(Elf64_Shdr)));
    SEPIA_CHECK_KIND(header_.e_shstrndx < sections_.size(), ErrorKind::kData, "an ELF file without section names");
  }
  const std::vector<Elf64_Shdr>& sections() const { return sections_; }
  std::uint32_t flags() const { return header_.e_flags; }

  Bytes content(const Elf64_Shdr& section) const {
    if (section.sh_type == SHT_NOBITS) return {};
    SEPIA_CHECK_KIND(section.sh_offset <= bytes_.size() && bytes_.size() - section.sh_offset >= section.sh_size, ErrorKind::kData,
                     "the library's CUDA code is cut off");
    return bytes_.subspan(section.sh_offset, section.sh_size);
  }
  std::string name(const Elf64_Shdr& section) const { return text(content(sections_[header_.e_shstrndx]), section.sh_name); }

  const Elf64_Shdr* find(const std::string& wanted) const {
    const auto found = std::ranges::find_if(sections_, [&](const Elf64_Shdr& s) { return name(s) == wanted; });
    return found == sections_.end() ? nullptr : &*found;
  }
  std::string symbol(std::uint32_t index) const {
    const Elf64_Shdr *symbols = find(".symtab"), *names = find(".strtab");
    SEPIA_CHECK_KIND(symbols && names, ErrorKind::kData, "a cubin without symbols");
    return text(content(*names), read<Elf64_Sym>(content(*symbols), index * sizeof(Elf64_Sym)).st_name);
  }

 private:
  static std::string text(Bytes table, std::size_t offset) {
    SEPIA_CHECK_KIND(offset < table.size(), ErrorKind::kData, "a name that lies outside its table");
    return {table.data() + offset, strnlen(table.data() + offset, table.size() - offset)};
  }

  Bytes bytes_;
  Elf64_Ehdr header_;
  std::vector<Elf64_Shdr> sections_;
};

/// Opcodes in bits 0 to 8 of an instruction (9 to 11 say where operands come from) and the width of a memory access in bits 73 to 75.
enum Opcode : unsigned { kHmma = 0x03c, kLd = 0x180, kLdg = 0x181, kLdl = 0x183, kSt = 0x185, kStg = 0x186, kStl = 0x187, kLdgsts = 0x1ae };
constexpr unsigned kWidth128 = 6;

void count_instructions(Bytes code, KernelFacts& facts) {
  for (std::size_t at = 0; at + 16 <= code.size(); at += 16) {
    const auto opcode = static_cast<unsigned>(read<std::uint64_t>(code, at) & 0x1ff);
    const bool wide = ((read<std::uint64_t>(code, at + 8) >> 9) & 7) == kWidth128;
    ++facts.instructions;
    facts.wide_loads += opcode == kLdg && wide;
    facts.wide_stores += opcode == kStg && wide;
    facts.wide_copies += opcode == kLdgsts && wide;
    facts.generic += opcode == kLd || opcode == kSt;
    facts.local += opcode == kLdl || opcode == kStl;
    facts.tensor_core += opcode == kHmma;
  }
}

/// Registers and stack per symbol. The attributes are records: format, attribute, and, in format 4, a size and that many bytes,
/// here (symbol, value).
struct Attributes {
  std::map<std::string, int> registers, stack;
};
Attributes attributes(const Elf& cubin) {
  constexpr unsigned char kSized = 4, kFrameSize = 0x11, kRegisters = 0x2f;
  Attributes found;
  const Elf64_Shdr* info = cubin.find(".nv.info");
  if (!info) return found;
  const Bytes bytes = cubin.content(*info);
  for (std::size_t at = 0; at + 4 <= bytes.size();) {
    const auto format = read<unsigned char>(bytes, at), attribute = read<unsigned char>(bytes, at + 1);
    const auto size = read<std::uint16_t>(bytes, at + 2);
    at += 4;
    if (format != kSized) continue;
    if (attribute == kRegisters || attribute == kFrameSize) {
      auto& values = attribute == kRegisters ? found.registers : found.stack;
      values[cubin.symbol(read<std::uint32_t>(bytes, at))] = static_cast<int>(read<std::uint32_t>(bytes, at + 4));
    }
    at += size;
  }
  return found;
}

std::string demangle(const std::string& name) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status), std::free);
  return status == 0 ? text.get() : name;
}

/// nvcc writes the source file into the name of its unnamed namespace.
std::string source_file(const std::string& mangled) {
  static const std::regex pattern("_GLOBAL__N__[0-9a-f]+_[0-9]+_([A-Za-z0-9_]+?)_cu_[0-9a-f]+_");
  std::smatch match;
  return std::regex_search(mangled, match, pattern) ? match[1].str() + ".cu" : "";
}

void read_cubin(const Elf& cubin, std::vector<KernelFacts>& kernels) {
  const Attributes of = attributes(cubin);
  static const std::string kText = ".text.";
  for (const Elf64_Shdr& section : cubin.sections()) {
    const std::string name = cubin.name(section);
    if (!name.starts_with(kText)) continue;
    const std::string mangled = name.substr(kText.size());
    KernelFacts facts{.file = source_file(mangled), .name = short_kernel_name(demangle(mangled))};
    facts.architecture = static_cast<int>(cubin.flags() >> 8 & 0xff);
    facts.registers = of.registers.contains(mangled) ? of.registers.at(mangled) : 0;
    facts.stack_bytes = of.stack.contains(mangled) ? of.stack.at(mangled) : 0;
    const Elf64_Shdr* shared = cubin.find(".nv.shared." + mangled);
    // 1024 bytes of a block belong to the system from sm_90 on, and stand here too.
    const int reserved = facts.architecture >= 90 ? 1024 : 0;
    if (shared) facts.shared_bytes = std::max(0, static_cast<int>(shared->sh_size) - reserved);
    count_instructions(cubin.content(section), facts);
    kernels.push_back(facts);
  }
}

/// The same kernel in several cubins of one architecture: the worst of each.
void merge(KernelFacts& into, const KernelFacts& other) {
  for (int KernelFacts::*number : {&KernelFacts::registers, &KernelFacts::stack_bytes, &KernelFacts::shared_bytes, &KernelFacts::instructions,
                                   &KernelFacts::wide_loads, &KernelFacts::wide_stores, &KernelFacts::wide_copies, &KernelFacts::generic,
                                   &KernelFacts::local, &KernelFacts::tensor_core}) {
    into.*number = std::max(into.*number, other.*number);
  }
}

}  // namespace

std::string KernelFacts::kinds() const {
  std::string words;
  const auto add = [&](int count, const char* word) {
    if (count > 0) words += (words.empty() ? "" : " ") + std::string(word);
  };
  add(wide_copies, "async128");
  add(wide_loads, "ld128");
  add(wide_stores, "st128");
  add(tensor_core, "mma");
  add(generic, "generic");
  return words.empty() ? "-" : words;
}

std::string short_kernel_name(const std::string& demangled) {
  std::string name = demangled;
  for (const char* part : {"(anonymous namespace)::", "sepia::", "kernels::", "cuda::", "detail::"}) {
    for (std::size_t at; (at = name.find(part)) != std::string::npos;) name.erase(at, std::strlen(part));
  }
  int depth = 0;
  std::size_t begin = 0, end = name.size();
  for (std::size_t i = 0; i < name.size(); ++i) {
    depth += (name[i] == '<') - (name[i] == '>');
    if (depth != 0) continue;
    if (name[i] == ' ') begin = i + 1;
    if (name[i] == '(') {
      end = i;
      break;
    }
  }
  return name.substr(begin, end - begin);
}

std::vector<KernelFacts> read_kernel_facts(const std::filesystem::path& library) {
  std::ifstream in(library, std::ios::binary);
  SEPIA_CHECK_KIND(in.good(), ErrorKind::kPath, "cannot read ", library.string());
  const std::vector<char> file{std::istreambuf_iterator<char>(in), {}};
  SEPIA_CHECK_KIND(file.size() > sizeof(Elf64_Ehdr) && std::equal(file.begin(), file.begin() + SELFMAG, ELFMAG), ErrorKind::kData,
                   library.string(), " is not a shared library");
  const Elf host{Bytes(file)};
  const Elf64_Shdr* fat = host.find(".nv_fatbin");
  SEPIA_CHECK_KIND(fat, ErrorKind::kData, library.string(), " holds no CUDA code");
  const Bytes code = host.content(*fat);

  std::vector<KernelFacts> kernels;
  for (std::size_t at = 0; at + sizeof(Elf64_Ehdr) <= code.size(); at += 8) {
    const bool cubin = std::memcmp(code.data() + at, ELFMAG, SELFMAG) == 0 && read<Elf64_Ehdr>(code, at).e_machine == EM_CUDA;
    if (cubin) read_cubin(Elf(code.subspan(at)), kernels);
  }
  SEPIA_CHECK_KIND(!kernels.empty(), ErrorKind::kData, library.string(), " holds no readable kernel (a compressed fat binary?)");
  const auto key = [](const KernelFacts& k) { return std::tie(k.file, k.name, k.architecture); };
  std::ranges::sort(kernels, [&](const auto& a, const auto& b) { return key(a) < key(b); });
  std::vector<KernelFacts> distinct;
  for (const KernelFacts& k : kernels) {
    if (!distinct.empty() && key(distinct.back()) == key(k)) {
      merge(distinct.back(), k);
    } else {
      distinct.push_back(k);
    }
  }
  return distinct;
}

Occupancy occupancy(int architecture, int threads_per_block, int registers, int shared_bytes) {
  struct Limits {
    int warps, blocks, shared;
  };
  const Limits limits = architecture == 90 ? Limits{64, 32, 228 << 10} : architecture == 80 ? Limits{64, 32, 164 << 10} : Limits{48, 24, 100 << 10};
  constexpr int kRegisters = 65536, kRegisterUnit = 256, kSharedUnit = 128, kSystemShared = 1024;
  const auto round_up = [](int value, int unit) { return (value + unit - 1) / unit * unit; };
  const int warps = (threads_per_block + 31) / 32;
  if (warps == 0) return {};
  int blocks = std::min(limits.blocks, limits.warps / warps);
  const int warps_by_registers = registers ? kRegisters / round_up(32 * registers, kRegisterUnit) / 4 * 4 : limits.warps;  // four schedulers
  blocks = std::min(blocks, warps_by_registers / warps);
  blocks = std::min(blocks, limits.shared / round_up(shared_bytes + kSystemShared, kSharedUnit));
  return {blocks, static_cast<double>(blocks * warps) / limits.warps};
}

}  // namespace sepia::gpu
