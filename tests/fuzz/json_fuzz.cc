// The slicer against nlohmann: one text is JSON to both or to neither, with the same members, but
// for what is documented: depth, members twice or too many, the range of numbers, lone surrogates.
// Input: the text.
#include <set>
#include <string>

#include <nlohmann/json.hpp>

#include "protocol/json_slicer.h"
#include "protocol/json_text.h"
#include "tests/fuzz/fuzz.h"

namespace workmand::fuzz {
namespace {

using nlohmann::json;
using workman::protocol::IsJson;
using workman::protocol::IsUtf8;
using workman::protocol::JsonError;
using workman::protocol::kMaxDepth;
using workman::protocol::Member;
using workman::protocol::Object;

/// What nlohmann finds in a text, without its limits of depth or of members.
class Oracle : public nlohmann::json_sax<json> {
 public:
  explicit Oracle(std::string_view text) : valid_(json::sax_parse(text, this)) {}

  [[nodiscard]] bool valid() const { return valid_; }
  /// Refused for what the grammar allows: a number beyond a double, or half a surrogate pair.
  [[nodiscard]] bool too_strict() const { return too_strict_; }
  [[nodiscard]] int depth() const { return deepest_; }
  [[nodiscard]] bool is_object() const { return is_object_; }
  [[nodiscard]] std::size_t members() const { return members_; }
  [[nodiscard]] bool twice() const { return keys_.size() != members_; }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override {
    is_object_ = is_object_ || depth_ == 0;
    return Open();
  }
  bool end_object() override { return Close(); }
  bool start_array(std::size_t) override { return Open(); }
  bool end_array() override { return Close(); }
  bool key(string_t& name) override {
    if (depth_ != 1) return true;
    ++members_;
    keys_.insert(name);
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const json::exception& error) override {
    constexpr int kOutOfRange = 406;
    too_strict_ = error.id == kOutOfRange ||
                  std::string_view(error.what()).find("surrogate") != std::string_view::npos;
    return false;
  }

 private:
  bool Open() {
    deepest_ = std::max(deepest_, ++depth_);
    return true;
  }
  bool Close() {
    --depth_;
    return true;
  }

  int depth_ = 0;
  int deepest_ = 0;
  bool is_object_ = false;
  bool too_strict_ = false;
  std::size_t members_ = 0;
  std::set<std::string> keys_;
  bool valid_;  ///< last: parsing fills in the others
};

void CheckMembers(std::string_view text, const Object& object, const Oracle& oracle) {
  for (const Member& member : object) {
    Require(IsSlice(member.key, text) && IsSlice(member.value, text), "members are slices");
    Require(IsJson(member.value, workman::protocol::kMaxPayloadDepth),
            "the value of a member is JSON");
    Require(object.Find(member.key).data() == member.value.data(), "a member is found by its key");
  }
  if (!oracle.valid()) return;
  Require(object.size() == oracle.members(), "all members are there");
  const json tree = json::parse(text);
  for (const Member& member : object) {
    const auto key = workman::protocol::ReadString('"' + std::string(member.key) + '"');
    Require(key.has_value(), "a key is a string");
    const auto found = tree.find(*key);
    Require(found != tree.end(), "the key of a member means the same to both");
    Require(*found == json::parse(member.value), "the value of a member means the same to both");
  }
}

void CheckObject(std::string_view text, const Oracle& oracle) {
  Object object;
  const JsonError error = Object::Parse(text, object);
  const bool good = error == JsonError::kNone || error == JsonError::kDuplicateKey ||
                    error == JsonError::kTooManyMembers;
  if (good) Require(oracle.valid() || oracle.too_strict(), "what is sliced is JSON");
  if (!good && oracle.valid() && oracle.is_object()) {
    Require(error == JsonError::kDepth && oracle.depth() > kMaxDepth, "what is JSON is sliced");
  }
  if (good && oracle.valid()) {
    Require(oracle.is_object() && oracle.depth() <= kMaxDepth, "only objects are sliced");
    const bool too_many = oracle.members() > Object::kMaxMembers;
    Require((error != JsonError::kNone) == (oracle.twice() || too_many),
            "members twice or too many are told");
    Require(error != JsonError::kDuplicateKey || oracle.twice(), "no member is twice");
    Require(error != JsonError::kTooManyMembers || too_many, "members are not too many");
  }
  if (error == JsonError::kNone) CheckMembers(text, object, oracle);
}

void CheckElements(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  const std::string_view array = text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
  std::size_t count = 0;
  const bool all = workman::protocol::ForEachElement(array, [&](std::string_view element) {
    Require(IsSlice(element, array) && IsJson(element), "an element is a slice and JSON");
    ++count;
    return true;
  });
  Require(all == (array.front() == '['), "only arrays have elements");
  const Oracle oracle(text);
  if (all && oracle.valid()) {
    Require(count == json::parse(array).size(), "all elements are there");
  }
}

void CheckOneLine(std::string_view text, const Oracle& oracle) {
  std::string scratch;
  const std::string_view line = workman::protocol::OnOneLine(text, scratch);
  Require(line.find_first_of("\n\r\t") == std::string_view::npos, "one line has no line feed");
  Require(IsJson(line), "JSON on one line is JSON");
  if (oracle.valid()) Require(json::parse(line) == json::parse(text), "and means the same");
}

void CheckText(std::string_view text, const Oracle& oracle) {
  const bool ours = IsJson(text);
  if (ours) Require(oracle.valid() || oracle.too_strict(), "what is accepted is JSON");
  if (ours) Require(IsUtf8(text), "JSON is UTF-8");
  if (oracle.valid()) {
    Require(ours == (oracle.depth() <= kMaxDepth), "what is JSON is accepted up to its depth");
    constexpr int kShallow = 3;
    Require(IsJson(text, kShallow) == (oracle.depth() <= kShallow), "a stated depth is the limit");
  }
  if (!ours) return;
  CheckElements(text);
  CheckOneLine(text, oracle);
}

/// Base64 comes from everywhere, also where nobody has looked before whether it is JSON.
void CheckBase64(std::string_view text) {
  (void)workman::protocol::IsBase64Inside(text);
  (void)workman::protocol::DecodeBase64Inside(text);
  const auto bytes = workman::protocol::DecodeBase64(text);
  if (!bytes) return;
  std::string again;
  workman::protocol::AppendBase64(again, *bytes);
  Require(again == text, "bytes have one spelling in base64");
}

}  // namespace
}  // namespace workmand::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace workmand::fuzz;
  const std::string_view text = Text(data, size);
  CheckBase64(text);
  // nlohmann skips a byte order mark and takes NUL for the end of the text; JSON holds neither.
  const bool foreign =
      text.find('\0') != std::string_view::npos || text.substr(0, 3) == "\xEF\xBB\xBF";
  if (foreign) {
    Require(!IsJson(text), "JSON has no byte order mark and no NUL");
    return 0;
  }
  const Oracle oracle(text);
  CheckText(text, oracle);
  CheckObject(text, oracle);
  return 0;
}
