#include "daemon/profile/config_json.h"

#include <algorithm>

#include "daemon/profile/text.h"

namespace workmand {
namespace {

std::size_t SkipDigits(std::string_view text, std::size_t at) {
  while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
  return at;
}

/// The grammar of RFC 8259: -0.5e+3 is one, while +1, .5, 0x1f and 007 are not.
bool IsJsonNumber(std::string_view text) {
  std::size_t at = !text.empty() && text[0] == '-' ? 1 : 0;
  const std::size_t whole = SkipDigits(text, at);
  if (whole == at || (text[at] == '0' && whole > at + 1)) return false;
  at = whole;
  if (at < text.size() && text[at] == '.') {
    const std::size_t fraction = SkipDigits(text, at + 1);
    if (fraction == at + 1) return false;
    at = fraction;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    const std::size_t exponent = SkipDigits(text, at);
    if (exponent == at) return false;
    at = exponent;
  }
  return at == text.size();
}

std::string BareScalar(const std::string& text) {
  if (text == "true" || text == "True" || text == "TRUE") return "true";
  if (text == "false" || text == "False" || text == "FALSE") return "false";
  if (text == "null" || text == "Null" || text == "NULL" || text == "~") return "null";
  return IsJsonNumber(text) ? text : QuoteJson(text);
}

std::optional<std::string> ScalarToJson(const Field& field) {
  const YamlNode& node = field.node();
  if (node.broken) return std::nullopt;
  if (!IsUtf8(node.text)) {
    field.Refuse("is not UTF-8 text");
    return std::nullopt;
  }
  return node.quoted ? QuoteJson(node.text) : BareScalar(node.text);
}

std::optional<std::string> ListToJson(const Field& field) {
  std::string json = "[";
  for (std::size_t i = 0; i < field.node().items.size(); ++i) {
    const auto item = ToJson(field.Item(i));
    if (!item) return std::nullopt;
    json += (i > 0 ? "," : "") + *item;
  }
  return json + "]";
}

std::optional<std::string> MappingToJson(const Field& field) {
  std::string json = "{";
  for (const YamlNode::Entry& entry : field.node().entries) {
    const auto value = ToJson(field.Below(entry.value, entry.key));
    if (!value) return std::nullopt;
    json += (json.size() > 1 ? "," : "") + QuoteJson(entry.key) + ":" + *value;
  }
  return json + "}";
}

}  // namespace

std::optional<std::string> ToJson(const Field& field) {
  switch (field.node().kind) {
    case YamlNode::Kind::kNull: return "null";
    case YamlNode::Kind::kScalar: return ScalarToJson(field);
    case YamlNode::Kind::kSequence: return ListToJson(field);
    case YamlNode::Kind::kMapping: return MappingToJson(field);
  }
  return std::nullopt;
}

std::string ReplaceJsonStrings(std::string_view json,
                               const std::function<std::string(std::string_view)>& replace) {
  std::string replaced;
  while (!json.empty()) {
    const std::size_t open = json.find('"');
    if (open == std::string_view::npos) break;
    std::size_t close = open + 1;
    while (close < json.size() && json[close] != '"') {
      close += json[close] == '\\' ? std::size_t{2} : std::size_t{1};
    }
    close = std::min(close, json.size() - 1);
    const std::string_view literal = json.substr(open + 1, close - open - 1);
    const bool is_key = close + 1 < json.size() && json[close + 1] == ':';
    replaced += json.substr(0, open + 1);
    replaced += is_key ? std::string(literal) : replace(literal);
    replaced += '"';
    json.remove_prefix(close + 1);
  }
  return replaced.append(json);
}

}  // namespace workmand
