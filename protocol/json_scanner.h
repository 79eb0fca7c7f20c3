// A validating cursor over JSON text: the one place that knows the grammar of RFC 8259. Driven by
// the slicer; it never allocates, never recurses and never reads beyond the text.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "protocol/json_chars.h"
#include "protocol/json_slicer.h"

namespace workman::protocol {

class Scanner {
 public:
  /// `depth`: how many containers are open around the cursor already.
  explicit Scanner(std::string_view text, int depth = 0)
      : p_(text.data()), end_(text.data() + text.size()), depth_(depth) {}

  [[nodiscard]] bool AtEnd() const { return p_ == end_; }
  [[nodiscard]] const char* position() const { return p_; }

  void SkipSpace() {
    while (p_ != end_ && (*p_ == ' ' || *p_ == '\n' || *p_ == '\r' || *p_ == '\t')) ++p_;
  }
  /// Steps over `c` when it is next.
  bool Take(char c) {
    if (p_ == end_ || *p_ != c) return false;
    ++p_;
    return true;
  }
  /// Steps over a string; the cursor must stand on its opening quote, else kSyntax.
  JsonError String();
  /// Whether the last string had an escape.
  [[nodiscard]] bool escaped() const { return escaped_; }
  /// Steps over a string, the colon and the space around it. `key` is the inside of the string.
  JsonError Key(std::string_view& key);
  /// Steps over one value of any type.
  JsonError Value();

 private:
  /// Where a value can leave the cursor.
  enum class After : std::uint8_t { kValueEnded, kValueBegins };

  JsonError Begin(After& after);
  JsonError Continue(int outer, After& after);
  JsonError Open(bool is_object, After& after);
  void SkipPlain() { p_ += PlainLength(std::string_view(p_, static_cast<std::size_t>(end_ - p_))); }
  bool Escape();
  bool Number();
  bool Digits();
  bool Literal(std::string_view word);

  const char* p_;
  const char* end_;
  int depth_;
  bool escaped_ = false;
  std::bitset<kMaxDepth + 1> is_object_;  ///< by depth: which bracket is open
};

}  // namespace workman::protocol
