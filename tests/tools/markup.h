// An independent check that markup is well-formed XML (or an HTML page written in the XML-compatible way, as ours are).
#pragma once

#include <algorithm>
#include <array>
#include <cctype>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace sepia::test {

/// Reads tags one after another; fault() is empty when all was well.
class MarkupReader {
 public:
  MarkupReader(std::string_view text, bool html) : text_(text), html_(html) {}

  std::string fault() {
    while (at_ < text_.size()) {
      const std::string what = text_[at_] != '<' ? characters() : tag();
      if (!what.empty()) return what + " at byte " + std::to_string(at_) + ": " + std::string(text_.substr(at_, 60));
    }
    return open_.empty() ? "" : "<" + open_.back() + "> is never closed";
  }

 private:
  std::string_view rest() const { return text_.substr(at_); }
  static bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

  // Every & begins a numeric reference or one of the five of XML.
  static bool references_are_fine(std::string_view part) {
    static constexpr std::array<std::string_view, 6> kNames = {"amp;", "lt;", "gt;", "quot;", "apos;", "#"};
    for (std::size_t k = part.find('&'); k != std::string_view::npos; k = part.find('&', k + 1)) {
      const std::string_view after = part.substr(k + 1);
      if (std::none_of(kNames.begin(), kNames.end(), [&](std::string_view name) { return after.starts_with(name); })) return false;
    }
    return true;
  }

  std::string characters() {
    const std::size_t end = std::min(text_.find('<', at_), text_.size());
    if (!references_are_fine(text_.substr(at_, end - at_))) return "bare ampersand in text";
    at_ = end;
    return "";
  }

  std::string tag() {
    const std::size_t end = text_.find('>', at_);
    if (end == std::string_view::npos) return "unfinished tag";
    if (rest().starts_with("<?") || rest().starts_with("<!")) {
      at_ = end + 1;
      return "";
    }
    if (rest().starts_with("</")) {
      if (open_.empty() || open_.back() != text_.substr(at_ + 2, end - at_ - 2)) return "closing tag that matches no open one";
      open_.pop_back();
      at_ = end + 1;
      return "";
    }
    return opening_tag();
  }

  std::string opening_tag() {
    static const std::set<std::string_view> kVoid = {"meta", "link", "br", "hr", "img", "input", "col"};
    std::size_t k = at_ + 1;
    while (k < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[k])) || text_[k] == '-' || text_[k] == ':')) ++k;
    const std::string name(text_.substr(at_ + 1, k - at_ - 1));
    if (name.empty()) return "bare <";
    bool closed = false;
    const std::string what = attributes(k, closed);
    if (!what.empty()) return what;
    at_ = k + 1;
    if (closed || (html_ && kVoid.contains(name))) return "";
    if (html_ && (name == "style" || name == "script")) {
      const std::size_t end = text_.find("</" + name + ">", at_);
      if (end == std::string_view::npos) return "<" + name + "> is not closed";
      at_ = end + name.size() + 3;
      return "";
    }
    open_.push_back(name);
    return "";
  }

  // Moves k to the '>' of the tag.
  std::string attributes(std::size_t& k, bool& closed) {
    std::set<std::string> seen;
    while (true) {
      while (k < text_.size() && is_space(text_[k])) ++k;
      if (k >= text_.size()) return "unfinished tag";
      if (text_[k] == '>') return "";
      if (text_.substr(k).starts_with("/>")) {
        closed = true;
        ++k;
        return "";
      }
      const std::size_t start = k;
      while (k < text_.size() && text_[k] != '=' && text_[k] != '>' && text_[k] != '/' && !is_space(text_[k])) ++k;
      const std::string attribute(text_.substr(start, k - start));
      if (attribute.empty() || !seen.insert(attribute).second) return "attribute '" + attribute + "' empty or repeated";
      if (k >= text_.size() || text_[k] != '=') {
        if (html_) continue;
        return "attribute without a value";
      }
      if (k + 1 >= text_.size() || text_[k + 1] != '"') return "attribute not quoted";
      const std::size_t end = text_.find('"', k + 2);
      if (end == std::string_view::npos) return "unfinished attribute";
      const std::string_view value = text_.substr(k + 2, end - k - 2);
      if (value.find('<') != std::string_view::npos || !references_are_fine(value)) return "raw < or & in an attribute";
      k = end + 1;
    }
  }

  std::string_view text_;
  bool html_;
  std::size_t at_ = 0;
  std::vector<std::string> open_;
};

/// Empty when `text` is well-formed: tags nest and close, attributes are quoted and not repeated, no bare & or <. Otherwise a
/// sentence with the place. `html` allows void elements, a doctype and attributes without a value, and takes the contents of
/// <style> and <script> as they are.
inline std::string markup_fault(std::string_view text, bool html = false) { return MarkupReader(text, html).fault(); }

/// How often `part` occurs in `text`.
inline int occurrences(std::string_view text, std::string_view part) {
  int count = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

}  // namespace sepia::test
