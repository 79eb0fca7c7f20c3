#include "daemon/profile/env_file.h"

#include <algorithm>

namespace workmand {
namespace {

constexpr std::string_view kBlanks = " \t\r";

std::string_view Trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

bool IsName(std::string_view name) {
  const auto is_part = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  };
  if (name.empty() || (name.front() >= '0' && name.front() <= '9')) return false;
  return std::all_of(name.begin(), name.end(), is_part);
}

/// "" when the line is good.
std::string ReadLine(std::string_view line, EnvFile& file) {
  line = Trim(line);
  if (line.empty() || line.front() == '#') return "";
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos) return "must be NAME=value, a comment or empty";
  const std::string_view name = Trim(line.substr(0, equals));
  if (!IsName(name)) return "what stands before '=' is no name for an environment variable";
  std::string_view value = Trim(line.substr(equals + 1));
  if (value.find('\0') != std::string_view::npos) return "a value cannot hold a NUL character";
  if (!value.empty() && (value.front() == '"' || value.front() == '\'')) {
    if (value.size() < 2 || value.back() != value.front()) return "this quote is never closed";
    value = value.substr(1, value.size() - 2);
  }
  file.variables[std::string(name)] = value;
  return "";
}

}  // namespace

EnvFile ParseEnvFile(std::string_view text) {
  EnvFile file;
  for (int number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    std::string sentence = ReadLine(text.substr(0, end), file);
    if (!sentence.empty()) file.problems.push_back({number, std::move(sentence)});
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return file;
}

}  // namespace workmand
