// Validates one JSON object and returns its top-level members as slices of the text, without a DOM:
// payload bytes are never re-encoded, so digits and key order survive. Full RFC 8259 grammar.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace workman::protocol {

/// How deep a whole line may nest, the message's own object included.
inline constexpr int kMaxDepth = 512;
/// How deep a payload may nest, so that the message around it stays within kMaxDepth.
inline constexpr int kMaxPayloadDepth = kMaxDepth - 1;

enum class JsonError : std::uint8_t {
  kNone,
  kNotAnObject,
  kSyntax,
  kDepth,
  kDuplicateKey,
  kTooManyMembers,
  kTrailingBytes,
  kBadUtf8,
};
/// A sentence without a full stop, for the log.
std::string_view ToString(JsonError error);

/// One member: `key` without quotes, still escaped; `value` the raw JSON text without outer space.
struct Member {
  std::string_view key;
  std::string_view value;
};

/// The top-level members of an object, in order. A fixed array: no allocation on the job path.
class Object {
 public:
  static constexpr std::size_t kMaxMembers = 64;

  /// Parses `text`, which must be exactly one JSON object with optional space around it and valid
  /// UTF-8. Top-level keys must differ (compared unescaped); nested ones are nobody's business.
  /// With kDuplicateKey and kTooManyMembers the text is valid JSON all the same, and `out` holds
  /// its first members; with any other error `out` must not be used.
  static JsonError Parse(std::string_view text, Object& out);

  /// The raw value of `key`, or empty when it is absent.
  [[nodiscard]] std::string_view Find(std::string_view key) const;
  [[nodiscard]] const Member* begin() const { return storage_.members.data(); }
  [[nodiscard]] const Member* end() const { return begin() + count_; }
  [[nodiscard]] std::size_t size() const { return count_; }

 private:
  JsonError Add(const Member& member);
  [[nodiscard]] std::string_view FindEscaped(std::string_view key) const;

  /// Only the first `count_` members are ever written or read: filling 2 KiB with empty members
  /// would cost as much as parsing a small message.
  union Storage {
    Storage() {}  // NOLINT(modernize-use-equals-default): a default would be deleted
    std::array<Member, kMaxMembers> members;
  };
  Storage storage_;
  std::size_t count_ = 0;
  bool escaped_keys_ = false;  ///< some key has a backslash, so keys are compared unescaped
};

/// True when `text` is exactly one JSON value (any type) with optional space around it, valid
/// UTF-8, nesting at most `max_depth` (1 to kMaxDepth; kMaxPayloadDepth for a job's args).
bool IsJson(std::string_view text, int max_depth = kMaxDepth);
bool IsUtf8(std::string_view text);

/// Calls `on_element(raw)` for each element of a JSON array that was validated before as part of a
/// larger text. Returns false when `array` is not an array, or when `on_element` returned false.
template <typename OnElement>
bool ForEachElement(std::string_view array, OnElement&& on_element);
/// Cuts the first element off `rest` (the inside of an array); empty when none is left.
std::string_view NextElement(std::string_view& rest);

template <typename OnElement>
bool ForEachElement(std::string_view array, OnElement&& on_element) {
  if (array.size() < 2 || array.front() != '[') return false;
  std::string_view rest = array.substr(1, array.size() - 2);
  for (std::string_view one = NextElement(rest); !one.empty(); one = NextElement(rest)) {
    if (!on_element(one)) return false;
  }
  return true;
}

}  // namespace workman::protocol
