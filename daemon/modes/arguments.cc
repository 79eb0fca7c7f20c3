#include "daemon/modes/arguments.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "daemon/profile/placeholder.h"
#include "protocol/json_slicer.h"
#include "protocol/json_text.h"

namespace workmand {
namespace {

namespace proto = workman::protocol;

/// Linux's bound of one argument, with the NUL at its end (MAX_ARG_STRLEN), and ours of all: beside
/// the environment they have to fit a quarter of the stack's limit, 2 MiB as a rule.
constexpr std::size_t kLongestArgument = 131'071;
constexpr std::size_t kLongestCommand = std::size_t{1} << 20U;

std::string_view Element(std::string_view array, std::string_view index) {
  std::size_t left = 0;
  const auto parsed = std::from_chars(index.data(), index.data() + index.size(), left);
  if (parsed.ec != std::errc() || parsed.ptr != index.data() + index.size()) return {};
  std::string_view found;
  proto::ForEachElement(array, [&](std::string_view one) {
    if (left == 0) found = one;
    return left-- > 0;
  });
  return found;
}

/// The characters of a scalar; nothing when `raw` is none (a mapping, a list, null, or absent).
std::optional<std::string> Scalar(std::string_view raw) {
  if (raw.empty() || raw.front() == '{' || raw.front() == '[' || raw == "null") return std::nullopt;
  return raw.front() == '"' ? proto::ReadString(raw) : std::string(raw);
}

std::string_view WhatInstead(std::string_view raw) {
  if (raw.empty()) return "is missing";
  if (raw == "null") return "is null";
  return raw.front() == '{' ? "is an object" : "is a list";
}

std::optional<std::string> ArgumentOf(const FittedInput& payload, const std::string& path,
                                      Unfit& unfit) {
  if (payload.form != PayloadForm::kJson && path.empty()) return std::string(payload.bytes);
  const std::string_view raw =
      payload.form == PayloadForm::kJson ? ValueAt(payload.bytes, path) : std::string_view();
  auto value = Scalar(raw);
  if (!value) {
    const std::string name = path.empty() ? "args" : "args." + path;
    unfit = {"bad_args", "the command line needs a text, a number or a truth value of {" + name +
                             "}, which " + std::string(WhatInstead(raw)) + " in this job"};
  }
  return value;
}

/// Appends what stands for `part`; false when the job has nothing fit for it.
bool Append(std::string& argument, const ArgumentPart& part, const ArgumentValues& values,
            Unfit& unfit) {
  switch (part.kind) {
    case ArgumentPart::Kind::kText: argument += part.text; break;
    case ArgumentPart::Kind::kTask: argument += values.task; break;
    case ArgumentPart::Kind::kId: argument += values.id; break;
    case ArgumentPart::Kind::kAttempt: argument += std::to_string(values.attempt); break;
    case ArgumentPart::Kind::kArgs: {
      const auto value = ArgumentOf(*values.payload, part.text, unfit);
      if (!value) return false;
      argument += *value;
    }
  }
  return true;
}

}  // namespace

std::string_view MemberOf(std::string_view object, std::string_view name) {
  // Not Object: the arguments of a job may have any number of members.
  std::string_view found;
  std::string_view rest = object.substr(1, object.size() - 2);
  for (std::string_view one = proto::NextElement(rest); !one.empty();
       one = proto::NextElement(rest)) {
    std::size_t end = 1;  // of the key's string
    while (one[end] != '"') end += one[end] == '\\' ? 2U : 1U;
    const auto key = proto::ReadString(one.substr(0, end + 1));
    if (key != name) continue;
    const std::size_t value = one.find_first_not_of(" \t\r\n", one.find(':', end) + 1);
    found = one.substr(value);  // of two the last one counts, as in most languages
  }
  return found;
}

std::string_view ValueAt(std::string_view json, std::string_view path) {
  while (!path.empty() && !json.empty()) {
    const std::string_view name = path.substr(0, path.find('.'));
    path.remove_prefix(std::min(path.size(), name.size() + 1));
    if (json.front() == '{') {
      json = MemberOf(json, name);
    } else if (json.front() == '[') {
      json = Element(json, name);
    } else {
      return {};
    }
  }
  return json;
}

std::vector<std::string> FillIn(const std::vector<std::string>& command,
                                const ArgumentValues& values, Unfit& unfit) {
  std::vector<std::string> filled;
  std::size_t total = 0;
  for (const std::string& pattern : command) {
    std::string& argument = filled.emplace_back();
    const auto parts = ParseArgument(pattern);
    if (!parts) {
      argument = pattern;
      continue;
    }
    for (const ArgumentPart& part : *parts) {
      if (!Append(argument, part, values, unfit)) return filled;
    }
    total += argument.size() + 1;
    if (argument.find('\0') != std::string::npos) {
      unfit = {"bad_args", "an argument of the command line would hold a NUL byte"};
      return filled;
    }
    if (argument.size() > kLongestArgument || total > kLongestCommand) {
      unfit = {"bad_args",
               "the arguments of the job are too long for a command line; let the "
               "program read its stdin"};
      return filled;
    }
  }
  return filled;
}

}  // namespace workmand
