#include "daemon/profile/placeholder.h"

#include <algorithm>

namespace workmand {
namespace {

using Kind = ArgumentPart::Kind;

bool IsLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool IsWordChar(char c) {
  return IsLetter(c) || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

/// The word of "{word}" at the start of `text`, or empty.
std::string_view WordInBraces(std::string_view text) {
  if (text.size() < 3 || text[0] != '{' || !IsLetter(text[1])) return {};
  const auto* const end = std::find_if_not(text.begin() + 1, text.end(), IsWordChar);
  if (end == text.end() || *end != '}') return {};
  return text.substr(1, static_cast<std::size_t>(end - text.begin()) - 1);
}

Result<ArgumentPart> MakePart(std::string_view word) {
  if (word == "task") return ArgumentPart{Kind::kTask, ""};
  if (word == "id") return ArgumentPart{Kind::kId, ""};
  if (word == "attempt") return ArgumentPart{Kind::kAttempt, ""};
  if (word == "args") return ArgumentPart{Kind::kArgs, ""};
  constexpr std::string_view kBelow = "args.";
  const bool below = word.substr(0, kBelow.size()) == kBelow;
  const std::string_view path = below ? word.substr(kBelow.size()) : std::string_view();
  const bool whole = !path.empty() && path.front() != '.' && path.back() != '.' &&
                     path.find("..") == std::string_view::npos;
  if (whole) return ArgumentPart{Kind::kArgs, std::string(path)};
  std::string known = "{task}, {id}, {attempt}, {args} or {args.NAME}";
  return Fail(ErrorCode::kInvalid, "'{" + std::string(word) + "}' is no placeholder: write " +
                                       known + ", or {{" + std::string(word) +
                                       "}} for the text itself");
}

void AddText(std::vector<ArgumentPart>& parts, std::string_view text) {
  if (parts.empty() || parts.back().kind != Kind::kText) parts.push_back({Kind::kText, ""});
  parts.back().text += text;
}

}  // namespace

Result<std::vector<ArgumentPart>> ParseArgument(std::string_view argument) {
  std::vector<ArgumentPart> parts;
  bool after_dollar = false;
  while (!argument.empty()) {
    const std::string_view escaped =
        argument.substr(0, 2) == "{{" ? WordInBraces(argument.substr(1)) : std::string_view();
    const std::string_view word = after_dollar ? std::string_view() : WordInBraces(argument);
    after_dollar = argument.front() == '$';
    if (!escaped.empty() && argument.substr(escaped.size() + 2, 2) == "}}") {
      AddText(parts, argument.substr(1, escaped.size() + 2));
      argument.remove_prefix(escaped.size() + 4);
    } else if (!word.empty()) {
      auto part = MakePart(word);
      if (!part) return tl::unexpected(part.error());
      parts.push_back(std::move(*part));
      argument.remove_prefix(word.size() + 2);
    } else {
      AddText(parts, argument.substr(0, 1));
      argument.remove_prefix(1);
    }
  }
  return parts;
}

}  // namespace workmand
