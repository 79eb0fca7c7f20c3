// Reads the members of one message, each with its type. Driven by the decoders of this room. The
// first member that breaks the contract is remembered as a sentence; the reads after it go on and
// their results are thrown away with the message.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/json_slicer.h"
#include "protocol/messages.h"

namespace workman::protocol {

enum class Need : std::uint8_t { kOptional, kRequired };

class Fields {
 public:
  /// `where` stands before a member's name in a sentence: "" or "tasks[2].". Both must outlive
  /// this.
  explicit Fields(const Object& object, std::string_view where = {})
      : object_(object), where_(where) {}

  [[nodiscard]] bool ok() const { return why_.empty(); }
  [[nodiscard]] const std::string& why() const { return why_; }
  [[nodiscard]] const Object& object() const { return object_; }
  /// Remembers "<where><key> <what>" unless a sentence is remembered already.
  void Refuse(std::string_view key, std::string_view what);
  /// Takes over the sentence of a nested object.
  void Adopt(const Fields& nested);

  /// A delivery id: a string that is not empty and has no escapes; else empty.
  std::string_view Id(Need need);
  /// Leaves `out` alone when the member is absent.
  void Text(std::string_view key, Need need, std::string& out);
  void OneOf(std::string_view key, std::initializer_list<std::string_view> words, std::string& out);
  void Flag(std::string_view key, std::optional<bool>& out);
  void Integer(std::string_view key, std::int64_t min, std::optional<std::int64_t>& out);
  void Integer(std::string_view key, std::int64_t min, std::int64_t& out);
  /// An integer that fits an int: what is larger than any int counts as the largest one.
  void Count(std::string_view key, std::int64_t min, std::int64_t& out);
  void Number(std::string_view key, Need need, double& out);
  void Texts(std::string_view key, std::vector<std::string>& out);
  /// The raw slice of a member that must be an object or an array when it is there; else empty.
  std::string_view RawObject(std::string_view key, Need need);
  std::string_view RawArray(std::string_view key, Need need);
  /// At most one of the two members.
  Payload Either(std::string_view json_key, std::string_view base64_key);
  /// A name of a task: 1 to 255 bytes without control characters.
  void TaskName(std::string_view key, std::string& out);

 private:
  std::string_view Find(std::string_view key, Need need);
  std::string_view Bracketed(std::string_view key, Need need, char open, std::string_view what);

  const Object& object_;
  std::string_view where_;
  std::string why_;
};

/// Whether `name`, which is valid UTF-8, can be the name of a task.
bool IsTaskName(std::string_view name);
/// What a sentence says of a name that cannot.
inline constexpr std::string_view kTaskNameRule =
    "must be a string of 1 to 255 bytes without control characters";

}  // namespace workman::protocol
