#include "engine/io/pickle.h"

#include <algorithm>
#include <array>
#include <bit>
#include <unordered_map>
#include <utility>

#include "engine/base/error.h"
#include "engine/io/byte_reader.h"
#include "engine/io/pickle_globals.h"
#include "engine/io/pickle_objects.h"
#include "engine/io/safetensors_header.h"

namespace sepia::detail {
namespace {

enum Opcode : unsigned char {
  kMark = '(', kStop = '.', kPop = '0', kPopMark = '1', kBinInt = 'J', kBinInt1 = 'K', kBinInt2 = 'M', kNone = 'N', kBinPersId = 'Q',
  kReduce = 'R', kBinString = 'T', kShortBinString = 'U', kBinUnicode = 'X', kAppend = 'a', kBuild = 'b', kGlobalOp = 'c',
  kEmptyDict = '}', kDict = 'd', kAppends = 'e', kBinGet = 'h', kLongBinGet = 'j', kList = 'l', kEmptyList = ']', kBinPut = 'q',
  kLongBinPut = 'r', kSetItem = 's', kTuple = 't', kEmptyTuple = ')', kSetItems = 'u', kBinFloat = 'G', kBinBytes = 'B',
  kShortBinBytes = 'C', kProto = 0x80, kTuple1 = 0x85, kTuple2 = 0x86, kTuple3 = 0x87, kNewTrue = 0x88, kNewFalse = 0x89, kLong1 = 0x8a,
  kShortBinUnicode = 0x8c, kStackGlobal = 0x93, kMemoize = 0x94, kFrame = 0x95,
};

class Machine {
 public:
  Machine(std::span<const std::byte> bytes, std::string_view source, const PickleLimits& limits)
      : in_(bytes.first(std::min(bytes.size(), limits.bytes))), cut_(bytes.size() > limits.bytes), limits_(limits), objects_(out_, source, limits), source_(source) {}

  Pickle run() {
    while (step()) {
    }
    if (stack_.size() != 1) refuse("the pickle ends with ", stack_.size(), " values on its stack");
    if (!marks_.empty()) refuse("the pickle ends inside a list");
    out_.root = stack_.back();
    out_.bytes = in_.position();
    return std::move(out_);
  }

 private:
  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail(ErrorKind::kData, source_, ": ", parts...);
  }
  [[noreturn]] void refuse_end() const {
    if (cut_) refuse("the pickle is longer than the ", limits_.bytes, " bytes allowed; a checkpoint's is far shorter");
    refuse("truncated: the pickle ends at byte ", in_.position());
  }

  template <class T>
  T number() {
    T value{};
    if (!in_.number(value)) refuse_end();
    return value;
  }
  std::string_view text(std::uint64_t bytes) {
    std::string_view part;
    if (!in_.take_text(bytes, part)) refuse_end();
    return part;
  }
  /// A line of the text opcodes: module or name of a global.
  std::string_view line() {
    constexpr std::size_t kLongest = 512;
    const ByteReader start = in_;
    for (std::size_t length = 0; length <= kLongest; ++length) {
      if (number<unsigned char>() != '\n') continue;
      in_ = start;
      const std::string_view whole = text(length + 1);
      return whole.substr(0, length);
    }
    refuse("the pickle names a global of more than ", kLongest, " characters");
  }

  void push(std::uint32_t value) {
    if (stack_.size() >= limits_.stack) refuse("the pickle puts more than ", limits_.stack, " values on its stack; a checkpoint needs few");
    stack_.push_back(value);
  }
  void push_new(PickleValue value) { push(objects_.make(std::move(value))); }
  std::uint32_t pop() {
    if (stack_.size() <= floor()) refuse("the pickle takes a value that is not there, before byte ", in_.position());
    const std::uint32_t value = stack_.back();
    stack_.pop_back();
    return value;
  }
  std::uint32_t peek() const {
    if (stack_.size() <= floor()) refuse("the pickle looks at a value that is not there, before byte ", in_.position());
    return stack_.back();
  }
  /// Values below the last mark belong to what began before it.
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  std::vector<std::uint32_t> pop_to_mark() {
    if (marks_.empty()) refuse("the pickle ends a list that has not begun, before byte ", in_.position());
    const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<std::uint32_t> items(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return items;
  }

  void push_tuple(std::vector<std::uint32_t> items) {
    objects_.count_items(items.size());
    push_new({.kind = PickleKind::kTuple, .items = std::move(items)});
  }
  void push_text(std::string_view part) { push_new({.kind = PickleKind::kText, .text = part}); }
  void push_integer(std::int64_t value) { push_new({.kind = PickleKind::kInt, .integer = value}); }

  void push_long() {
    const auto length = number<unsigned char>();
    if (length > 8) refuse("the pickle holds an integer of ", static_cast<int>(length), " bytes; 8 are allowed");
    std::uint64_t value = 0;
    for (int i = 0; i < length; ++i) value |= static_cast<std::uint64_t>(number<unsigned char>()) << (8 * i);
    if (length > 0 && length < 8 && (value >> (8 * length - 1) & 1) != 0) value |= ~std::uint64_t{0} << (8 * length);  // sign
    push_integer(static_cast<std::int64_t>(value));
  }

  void push_float() {  // big endian, alone among the numbers
    std::uint64_t bits = 0;
    for (int i = 0; i < 8; ++i) bits = bits << 8 | number<unsigned char>();
    push_new({.kind = PickleKind::kFloat, .real = std::bit_cast<double>(bits)});
  }

  void put(std::uint32_t slot) { memo_[slot] = peek(); }
  void get(std::uint32_t slot) {
    const auto found = memo_.find(slot);
    if (found == memo_.end()) refuse("the pickle recalls value ", slot, ", which it has not kept");
    push(found->second);
  }

  void push_global(std::string_view module, std::string_view name) { push(objects_.global(module, name)); }

  /// One opcode; false at the end.
  bool step() {
    const std::size_t place = in_.position();
    const auto opcode = number<unsigned char>();
    switch (opcode) {
      case kStop: return false;
      case kProto: {
        const auto version = number<unsigned char>();
        if (version > 5) refuse("the pickle has protocol ", static_cast<int>(version), "; known are 0 to 5");
        break;
      }
      case kFrame: number<std::uint64_t>(); break;  // only says how far to read ahead
      case kMark:
        if (marks_.size() >= limits_.marks) refuse("the pickle is nested more than ", limits_.marks, " deep");
        marks_.push_back(stack_.size());
        break;
      case kPop: pop(); break;
      case kPopMark: pop_to_mark(); break;
      case kNone: push_new({}); break;
      case kNewTrue: case kNewFalse: push_new({.kind = PickleKind::kBool, .integer = opcode == kNewTrue}); break;
      case kBinInt: push_integer(static_cast<std::int32_t>(number<std::uint32_t>())); break;
      case kBinInt1: push_integer(number<unsigned char>()); break;
      case kBinInt2: push_integer(number<std::uint16_t>()); break;
      case kLong1: push_long(); break;
      case kBinFloat: push_float(); break;
      case kShortBinString: case kShortBinBytes: case kShortBinUnicode: push_text(text(number<unsigned char>())); break;
      case kBinString: case kBinBytes: case kBinUnicode: push_text(text(number<std::uint32_t>())); break;
      case kEmptyTuple: push_tuple({}); break;
      case kEmptyList: push_new({.kind = PickleKind::kList}); break;
      case kEmptyDict: push_new({.kind = PickleKind::kDict}); break;
      case kTuple: push_tuple(pop_to_mark()); break;
      case kTuple1: case kTuple2: case kTuple3: {
        std::vector<std::uint32_t> items(static_cast<std::size_t>(opcode - kTuple1 + 1));
        for (std::size_t i = items.size(); i-- > 0;) items[i] = pop();
        push_tuple(std::move(items));
        break;
      }
      case kList: {
        auto items = pop_to_mark();
        objects_.count_items(items.size());
        push_new({.kind = PickleKind::kList, .items = std::move(items)});
        break;
      }
      case kDict: {
        const auto items = pop_to_mark();
        push_new({.kind = PickleKind::kDict});
        objects_.extend(peek(), PickleKind::kDict, items);
        break;
      }
      case kAppend: {
        const std::uint32_t item = pop();
        objects_.extend(peek(), PickleKind::kList, {&item, 1});
        break;
      }
      case kAppends: {
        const auto items = pop_to_mark();
        objects_.extend(peek(), PickleKind::kList, items);
        break;
      }
      case kSetItem: {
        const std::uint32_t value = pop(), key = pop();
        objects_.extend(peek(), PickleKind::kDict, std::array{key, value});
        break;
      }
      case kSetItems: {
        const auto items = pop_to_mark();
        objects_.extend(peek(), PickleKind::kDict, items);
        break;
      }
      case kBinPut: put(number<unsigned char>()); break;
      case kLongBinPut: put(number<std::uint32_t>()); break;
      case kMemoize: put(static_cast<std::uint32_t>(memo_.size())); break;
      case kBinGet: get(number<unsigned char>()); break;
      case kLongBinGet: get(number<std::uint32_t>()); break;
      case kGlobalOp: {
        const std::string_view module = line();
        push_global(module, line());
        break;
      }
      case kStackGlobal: {
        const PickleValue name = out_.at(pop()), module = out_.at(pop());
        if (name.kind != PickleKind::kText || module.kind != PickleKind::kText) refuse("the pickle names a global by what is no text");
        push_global(module.text, name.text);
        break;
      }
      case kReduce: {
        const std::uint32_t arguments = pop(), function = pop();
        push(objects_.reduce(function, arguments));
        break;
      }
      case kBinPersId: push(objects_.storage(pop())); break;
      case kBuild: {
        const std::uint32_t state = pop();
        objects_.set_state(peek(), state, place);
        break;
      }
      default:
        refuse("refuses pickle opcode ", static_cast<int>(opcode), " at byte ", place, " (a checkpoint holds only tensors and plain values)");
    }
    return true;
  }

  ByteReader in_;
  bool cut_;
  PickleLimits limits_;
  Pickle out_;
  PickleObjects objects_;
  std::string_view source_;
  std::vector<std::uint32_t> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint32_t, std::uint32_t> memo_;
};

}  // namespace

Pickle read_pickle(std::span<const std::byte> bytes, std::string_view source, const PickleLimits& limits) {
  return Machine(bytes, source, limits).run();
}

}  // namespace sepia::detail
