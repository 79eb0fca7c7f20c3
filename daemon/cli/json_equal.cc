#include "daemon/cli/json_equal.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "protocol/json_scanner.h"
#include "protocol/json_slicer.h"
#include "protocol/json_text.h"

namespace workmand::cli {
namespace {

namespace wire = workman::protocol;
using Members = std::vector<std::pair<std::string, std::string_view>>;

/// Valid JSON keeps spaces out of no place but strings.
std::string_view Trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t from = text.find_first_not_of(kSpace);
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(kSpace) - from + 1);
}

/// By key, so that the order does not matter. Of a key that is there twice both stay.
Members MembersOf(std::string_view object) {
  Members members;
  wire::Scanner scanner(object);
  (void)scanner.Take('{');
  scanner.SkipSpace();
  while (!scanner.Take('}') && !scanner.AtEnd()) {
    std::string_view key;
    if (scanner.Key(key) != wire::JsonError::kNone) break;
    const char* from = scanner.position();
    if (scanner.Value() != wire::JsonError::kNone) break;
    const std::string_view value(from, static_cast<std::size_t>(scanner.position() - from));
    std::string quoted = "\"";
    quoted.append(key).append("\"");
    members.emplace_back(wire::ReadString(quoted).value_or(quoted), value);
    scanner.SkipSpace();
    (void)scanner.Take(',');
    scanner.SkipSpace();
  }
  std::ranges::sort(members);
  return members;
}

std::vector<std::string_view> ElementsOf(std::string_view array) {
  std::vector<std::string_view> elements;
  (void)wire::ForEachElement(array, [&elements](std::string_view one) {
    elements.push_back(one);
    return true;
  });
  return elements;
}

}  // namespace

bool SameJson(std::string_view a, std::string_view b) {
  a = Trim(a);
  b = Trim(b);
  if (a == b) return true;
  if (a.empty() || b.empty()) return false;
  if (a.front() == '"') return b.front() == '"' && wire::ReadString(a) == wire::ReadString(b);
  if (a.front() == '[') {
    return b.front() == '[' && std::ranges::equal(ElementsOf(a), ElementsOf(b), SameJson);
  }
  if (a.front() == '{') {
    if (b.front() != '{') return false;
    return std::ranges::equal(MembersOf(a), MembersOf(b), [](const auto& one, const auto& other) {
      return one.first == other.first && SameJson(one.second, other.second);
    });
  }
  const auto x = wire::ReadNumber(a);
  return x && x == wire::ReadNumber(b);
}

}  // namespace workmand::cli
