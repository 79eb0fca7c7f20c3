#include "daemon/queue/drivers/storable.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace workmand {
namespace {

/// Storable's marks for what follows.
enum Mark : unsigned char {
  kSeenBefore = 0,
  kLongString = 1,
  kArray = 2,
  kHash = 3,
  kReference = 4,
  kUndef = 5,
  kInteger = 6,  // in the byte order of the machine
  kDouble = 7,   // likewise
  kByte = 8,
  kNetInteger = 9,
  kShortString = 10,
  kSvUndef = 14,
  kBlessed = 17,
  kBlessedAgain = 18,
  kHook = 19,
  kShortUtf8 = 23,
  kLongUtf8 = 24,
  kFlagHash = 25,
  kCode = 26,
  kUndefElement = 31,
  kRegexp = 32,
  kTrue = 34,
  kFalse = 35,
};

constexpr unsigned kMajor = 2;
constexpr int kDeepest = 200;

/// What nfreeze writes first; freeze has the byte order, and the sizes of types, behind it.
struct Header {
  bool network = false;
  std::size_t size = 0;
};

bool ReadHeader(std::string_view bytes, Header& header) {
  if (bytes.size() < 3) return false;
  const auto first = static_cast<unsigned char>(bytes[0]);
  const auto minor = static_cast<unsigned char>(bytes[1]);
  if (first >> 1U != kMajor || minor < 4 || minor > 12) return false;
  header.network = (first & 1U) != 0;
  header.size = 2;
  if (header.network) return true;
  const std::size_t order = static_cast<unsigned char>(bytes[2]);
  // The sizes of int, long, pointer and NV.
  header.size = 3 + order + 4;
  return bytes.size() > header.size && bytes.substr(3, order) == "12345678";
}

class Reader {
 public:
  Reader(std::string_view bytes, bool network) : rest_(bytes), network_(network) {}

  bool Value(int depth);
  [[nodiscard]] bool AtEnd() const { return rest_.empty(); }
  [[nodiscard]] const std::string& why() const { return why_; }
  std::string json;

 private:
  bool Fail(std::string why) {
    if (why_.empty()) why_ = std::move(why);
    return false;
  }
  bool Bytes(std::size_t n, std::string_view& out) {
    if (rest_.size() < n) return Fail("it ends in the middle");
    out = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return true;
  }
  bool Size(std::size_t& out) {
    std::string_view bytes;
    if (!Bytes(4, bytes)) return false;
    std::uint32_t number = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      const std::size_t place = network_ ? i : 3 - i;
      number = number << 8U | static_cast<unsigned char>(bytes[place]);
    }
    out = number;
    return true;
  }
  bool String(bool is_long, bool utf8);
  bool Number(unsigned char mark);
  bool Items(int depth);
  bool Pairs(bool flags, int depth);
  void Quote(std::string_view text, bool utf8);

  std::string_view rest_;
  bool network_;
  std::string why_;
};

/// Perl's strings that are not marked as UTF-8 hold characters below 256, one a byte.
void Reader::Quote(std::string_view text, bool utf8) {
  constexpr std::string_view kHex = "0123456789abcdef";
  json += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      json += '\\';
      json += c;
    } else if (byte < 0x20) {
      json += "\\u00";
      json += kHex[byte >> 4U];
      json += kHex[byte & 15U];
    } else if (byte < 0x80 || utf8) {
      json += c;
    } else {
      json += static_cast<char>(0xC0U | byte >> 6U);
      json += static_cast<char>(0x80U | (byte & 0x3FU));
    }
  }
  json += '"';
}

bool Reader::String(bool is_long, bool utf8) {
  std::size_t size = 0;
  std::string_view text;
  if (is_long) {
    if (!Size(size)) return false;
  } else {
    if (!Bytes(1, text)) return false;
    size = static_cast<unsigned char>(text[0]);
  }
  if (!Bytes(size, text)) return false;
  Quote(text, utf8);
  return true;
}

bool Reader::Number(unsigned char mark) {
  std::string_view bytes;
  if (mark == kByte) {
    if (!Bytes(1, bytes)) return false;
    json += std::to_string(static_cast<int>(static_cast<unsigned char>(bytes[0])) - 128);
    return true;
  }
  if (mark == kNetInteger) {
    if (!Bytes(4, bytes)) return false;
    std::uint32_t number = 0;
    for (const char c : bytes) number = number << 8U | static_cast<unsigned char>(c);
    json += std::to_string(static_cast<std::int32_t>(number));
    return true;
  }
  if (!Bytes(8, bytes)) return false;
  if (mark == kInteger) {
    std::int64_t number = 0;
    std::memcpy(&number, bytes.data(), sizeof number);
    json += std::to_string(number);
    return true;
  }
  double number = 0;
  std::memcpy(&number, bytes.data(), sizeof number);
  if (!std::isfinite(number)) return Fail("it holds a number that JSON has not");
  std::array<char, 32> text{};
  json.append(text.data(), std::to_chars(text.data(), text.data() + text.size(), number).ptr);
  return true;
}

bool Reader::Items(int depth) {
  std::size_t count = 0;
  if (!Size(count)) return false;
  json += '[';
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0) json += ',';
    if (!Value(depth + 1)) return false;
  }
  json += ']';
  return true;
}

bool Reader::Pairs(bool flags, int depth) {
  constexpr unsigned kKeyIsUtf8 = 1;
  std::string_view byte;
  if (flags && !Bytes(1, byte)) return false;
  std::size_t count = 0;
  if (!Size(count)) return false;
  json += '{';
  for (std::size_t i = 0; i < count; ++i) {
    // The value stands before its key.
    std::string before = std::move(json);
    json.clear();
    if (!Value(depth + 1)) return false;
    std::string value = std::move(json);
    json = std::move(before);
    if (i > 0) json += ',';
    if (flags && !Bytes(1, byte)) return false;
    const bool utf8 = flags && (static_cast<unsigned char>(byte[0]) & kKeyIsUtf8) != 0;
    std::size_t size = 0;
    std::string_view key;
    if (!Size(size) || !Bytes(size, key)) return false;
    Quote(key, utf8);
    json += ':';
    json += value;
  }
  json += '}';
  return true;
}

bool Reader::Value(int depth) {
  if (depth > kDeepest) return Fail("it is nested too deeply");
  std::string_view byte;
  if (!Bytes(1, byte)) return false;
  const auto mark = static_cast<unsigned char>(byte[0]);
  switch (mark) {
    case kLongString: return String(true, false);
    case kShortString: return String(false, false);
    case kLongUtf8: return String(true, true);
    case kShortUtf8: return String(false, true);
    case kArray: return Items(depth);
    case kHash: return Pairs(false, depth);
    case kFlagHash: return Pairs(true, depth);
    case kReference: return Value(depth + 1);
    case kByte:
    case kNetInteger:
    case kInteger:
    case kDouble: return Number(mark);
    case kUndef:
    case kSvUndef:
    case kUndefElement: json += "null"; return true;
    case kTrue: json += "true"; return true;
    case kFalse: json += "false"; return true;
    case kBlessed:
    case kBlessedAgain:
    case kHook: return Fail("it holds an object of a Perl class");
    case kCode: return Fail("it holds Perl code");
    case kRegexp: return Fail("it holds a regular expression");
    case kSeenBefore: return Fail("it refers twice to one value");
    default:
      return Fail("it holds a kind of value (" + std::to_string(mark) + ") that JSON has not");
  }
}

}  // namespace

bool IsStorable(std::string_view bytes) {
  Header header;
  return ReadHeader(bytes, header);
}

Result<std::string> StorableToJson(std::string_view bytes) {
  Header header;
  if (!ReadHeader(bytes, header)) {
    return workmand::Fail(ErrorCode::kInvalid, "it is not what Storable writes");
  }
  Reader reader(bytes.substr(header.size), header.network);
  if (!reader.Value(0)) return workmand::Fail(ErrorCode::kInvalid, reader.why());
  if (!reader.AtEnd()) {
    return workmand::Fail(ErrorCode::kInvalid, "something stands behind its end");
  }
  return std::move(reader.json);
}

}  // namespace workmand
