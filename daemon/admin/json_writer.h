// Writes one JSON object member by member, in order, without a DOM. For this room's lines only.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "protocol/json_text.h"

namespace workmand {

/// Opens an object in `out` when made and closes it when it goes. Names are written as they are:
/// they must need no escapes.
class ObjectWriter {
 public:
  explicit ObjectWriter(std::string& out) : out_(out) { out_ += '{'; }
  ~ObjectWriter() { out_ += '}'; }
  ObjectWriter(const ObjectWriter&) = delete;
  ObjectWriter& operator=(const ObjectWriter&) = delete;

  /// Writes the name; the caller appends the value, as JSON, to what is returned.
  std::string& Name(std::string_view name) {
    if (!first_) out_ += ',';
    first_ = false;
    out_ += '"';
    out_ += name;
    out_ += "\":";
    return out_;
  }
  void Text(std::string_view name, std::string_view value) {
    workman::protocol::AppendString(Name(name), value);
  }
  void Base64(std::string_view name, std::string_view bytes) {
    std::string& out = Name(name);
    out += '"';
    workman::protocol::AppendBase64(out, bytes);
    out += '"';
  }
  void Flag(std::string_view name, bool value) { Name(name) += value ? "true" : "false"; }
  template <typename Integer>
  void Number(std::string_view name, Integer value) {
    static_assert(std::is_integral_v<Integer> && !std::is_same_v<Integer, bool>);
    Name(name) += std::to_string(value);
  }
  template <typename Integer>
  void NumberOrNull(std::string_view name, const std::optional<Integer>& value) {
    if (value) {
      Number(name, *value);
    } else {
      Name(name) += "null";
    }
  }

 private:
  std::string& out_;
  bool first_ = true;
};

/// One object as a line of its own; `fill(ObjectWriter&)` writes the members.
template <typename Fill>
std::string RenderObject(Fill&& fill) {
  std::string out;
  {
    ObjectWriter object(out);
    fill(object);
  }
  return out;
}

}  // namespace workmand
