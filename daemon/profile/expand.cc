#include "daemon/profile/expand.h"

#include <algorithm>
#include <array>
#include <set>

namespace workmand {
namespace {

constexpr std::array<std::string_view, 7> kWorkerOnly = {
    "command", "working_directory", "env", "env_file", "user", "group", "config"};

bool IsVariableName(std::string_view name) {
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
  constexpr std::string_view kDigits = "0123456789";
  if (name.empty() || kLetters.find(name.front()) == std::string_view::npos) return false;
  return std::all_of(name.begin(), name.end(), [&](char c) {
    return kLetters.find(c) != std::string_view::npos || kDigits.find(c) != std::string_view::npos;
  });
}

/// The value of what stands between ${ and }.
Result<std::string> LookUp(std::string_view reference,
                           const std::map<std::string, std::string>& environment) {
  const std::size_t colon = reference.find(":-");
  const std::string name(reference.substr(0, colon));
  if (!IsVariableName(name)) {
    return Fail(ErrorCode::kInvalid, "'${" + std::string(reference) +
                                         "}' is not ${NAME} or ${NAME:-default}; write $$ for a "
                                         "dollar sign");
  }
  const auto found = environment.find(name);
  const bool has_default = colon != std::string_view::npos;
  if (found != environment.end() && !(has_default && found->second.empty())) return found->second;
  if (has_default) return std::string(reference.substr(colon + 2));
  return Fail(ErrorCode::kNotFound, "the environment variable " + name + " is not set");
}

/// Walks one tree; see PrepareTree.
class Preparer {
 public:
  Preparer(const LoadOptions& options, Problems& problems)
      : options_(options), problems_(problems) {}

  void Prepare(YamlNode& node, const std::string& path) {
    switch (node.kind) {
      case YamlNode::Kind::kNull: return;
      case YamlNode::Kind::kScalar: PrepareScalar(node, path); return;
      case YamlNode::Kind::kSequence:
        for (std::size_t i = 0; i < node.items.size(); ++i) {
          Prepare(node.items[i], path + "[" + std::to_string(i) + "]");
        }
        return;
      case YamlNode::Kind::kMapping: PrepareMapping(node, path); return;
    }
  }

 private:
  void PrepareScalar(YamlNode& node, const std::string& path) {
    auto expanded = ExpandVariables(node.text, options_.environment);
    if (expanded) {
      node.text = std::move(*expanded);
      return;
    }
    const bool unset = expanded.error().code == ErrorCode::kNotFound;
    if (unset && !options_.resolve_command && IsWorkerOnly(path)) return;
    node.broken = true;
    problems_.Add(node.place, path, expanded.error().message);
  }

  static bool IsWorkerOnly(std::string_view path) {
    const std::string_view top = path.substr(0, path.find_first_of(".["));
    return std::find(kWorkerOnly.begin(), kWorkerOnly.end(), top) != kWorkerOnly.end();
  }

  void PrepareMapping(YamlNode& node, const std::string& path) {
    std::vector<YamlNode::Entry> kept;
    for (YamlNode::Entry& entry : node.entries) {
      std::string below = path;
      if (!below.empty()) below += ".";
      below += entry.key;
      const auto first = std::find_if(kept.begin(), kept.end(), [&](const YamlNode::Entry& other) {
        return other.key == entry.key;
      });
      if (first != kept.end()) {
        const int line = first->place.mark.line;
        const std::string where = " (first in line " + std::to_string(line) + ")";
        problems_.Add(entry.place, below, "is given twice" + (line > 0 ? where : ""));
        continue;
      }
      Prepare(entry.value, below);
      kept.push_back(std::move(entry));
    }
    node.entries = std::move(kept);
  }

  const LoadOptions& options_;
  Problems& problems_;
};

}  // namespace

Result<std::string> ExpandVariables(std::string_view text,
                                    const std::map<std::string, std::string>& environment) {
  std::string expanded;
  while (!text.empty()) {
    const std::size_t dollar = text.find('$');
    expanded += text.substr(0, dollar);
    if (dollar == std::string_view::npos) break;
    text.remove_prefix(dollar);
    if (text.substr(0, 2) == "$$") {
      expanded += '$';
      text.remove_prefix(2);
    } else if (text.substr(0, 2) == "${") {
      const std::size_t end = text.find('}');
      if (end == std::string_view::npos) {
        return Fail(ErrorCode::kInvalid, "'${' has no '}'; write $$ for a dollar sign");
      }
      auto value = LookUp(text.substr(2, end - 2), environment);
      if (!value) return tl::unexpected(value.error());
      expanded += *value;
      text.remove_prefix(end + 1);
    } else {
      expanded += '$';
      text.remove_prefix(1);
    }
  }
  return expanded;
}

void PrepareTree(YamlNode& root, const LoadOptions& options, Problems& problems) {
  Preparer(options, problems).Prepare(root, "");
}

}  // namespace workmand
