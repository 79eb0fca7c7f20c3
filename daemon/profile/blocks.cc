#include "daemon/profile/blocks.h"

#include <array>
#include <limits>

#include "daemon/profile/config_json.h"
#include "daemon/profile/key_kinds.h"

namespace workmand {
namespace {

constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();

void ReadCommand(Draft& draft, const Field& field) {
  const YamlNode& node = field.node();
  if (node.kind != YamlNode::Kind::kSequence) {
    if (!node.broken)
      field.Refuse("must be a list such as [python3, worker.py]; no shell reads it");
    return;
  }
  std::vector<std::string> command;
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    const std::string* text = field.Item(i).Text();
    if (text != nullptr) command.push_back(*text);
  }
  if (command.size() != node.items.size()) return;
  if (command.empty() || command.front().empty()) {
    field.Refuse("must name a program");
    return;
  }
  draft.profile.command = std::move(command);
}

std::string PrintList(const std::vector<std::string>& items) {
  std::string text = "[";
  for (const std::string& item : items) text += (text.size() > 1 ? ", " : "") + QuoteYaml(item);
  return text + "]";
}

void ReadEnv(Draft& draft, const Field& field) {
  if (!field.IsMapping()) return;
  for (const YamlNode::Entry& entry : field.node().entries) {
    const Field value = field.Below(entry.value, entry.key);
    if (entry.key.empty() || entry.key.find('=') != std::string::npos) {
      value.Refuse("is no name for an environment variable");
    } else if (const std::string* text = value.Text()) {
      draft.profile.env[entry.key] = *text;
    }
  }
}

/// A block of "key: value" lines below the key, or "{}".
template <typename Map, typename Print>
std::string PrintMap(const Map& map, Print print) {
  if (map.empty()) return "{}";
  std::string text;
  for (const auto& [key, value] : map) text += "\n  " + QuoteYamlKey(key) + ": " + print(value);
  return text;
}

enum class LimitKind { kBytes, kNumber };
struct LimitName {
  std::string_view name;
  LimitKind kind;
};
constexpr std::array kLimitNames = {
    LimitName{"as", LimitKind::kBytes},       LimitName{"core", LimitKind::kBytes},
    LimitName{"cpu", LimitKind::kNumber},     LimitName{"data", LimitKind::kBytes},
    LimitName{"fsize", LimitKind::kBytes},    LimitName{"memlock", LimitKind::kBytes},
    LimitName{"msgqueue", LimitKind::kBytes}, LimitName{"nice", LimitKind::kNumber},
    LimitName{"nofile", LimitKind::kNumber},  LimitName{"nproc", LimitKind::kNumber},
    LimitName{"rss", LimitKind::kBytes},      LimitName{"rtprio", LimitKind::kNumber},
    LimitName{"rttime", LimitKind::kNumber},  LimitName{"sigpending", LimitKind::kNumber},
    LimitName{"stack", LimitKind::kBytes},
};

std::optional<std::uint64_t> ReadLimit(const Field& field, LimitKind kind) {
  const std::string* text = field.Text();
  if (text == nullptr) return std::nullopt;
  if (*text == "unlimited") return kUnlimited;
  const bool has_unit = text->find_first_not_of("0123456789") != std::string::npos;
  const auto limit = ParseSize(*text);
  if (kind == LimitKind::kNumber && (has_unit || !limit)) {
    field.Refuse("must be a whole number or unlimited (got '" + *text + "')");
  } else if (!limit) {
    field.Refuse(
        "must be a size such as 64KiB, 256MiB, 2GiB, a number of bytes or unlimited (got '" +
        *text + "')");
  } else {
    return *limit;
  }
  return std::nullopt;
}

void ReadRlimits(Draft& draft, const Field& field) {
  if (!field.IsMapping()) return;
  std::vector<std::string> names;
  names.reserve(kLimitNames.size());
  for (const LimitName& limit : kLimitNames) names.emplace_back(limit.name);
  for (const YamlNode::Entry& entry : field.node().entries) {
    bool known = false;
    for (const LimitName& limit : kLimitNames) {
      if (limit.name != entry.key) continue;
      known = true;
      if (entry.value.kind == YamlNode::Kind::kNull) continue;
      const auto value = ReadLimit(field.Below(entry.value, entry.key), limit.kind);
      if (value) draft.profile.rlimits[entry.key] = *value;
    }
    if (!known) field.RefuseUnknown(entry, names);
  }
}

void ReadConfig(Draft& draft, const Field& field) {
  if (!field.IsMapping()) return;
  if (auto json = ToJson(field)) draft.profile.config_json = std::move(*json);
}

/// The accepted and the future keys of one task; the readers stand with their names.
void ReadTaskKey(TaskOptions& task, const YamlNode::Entry& entry, const Field& field) {
  const Field value = field.Below(entry.value, entry.key);
  for (const FutureKey& future : FutureKeys()) {
    if (future.path == "tasks.*." + entry.key) {
      ReadFutureKey(future, value);
      return;
    }
  }
  const bool stated = entry.value.kind != YamlNode::Kind::kNull;
  if (entry.key == "time_limit") {
    if (stated) task.time_limit = ReadDuration(value, {});
  } else if (entry.key == "max_attempts") {
    if (stated) task.max_attempts = ReadInteger(value, {1});
  } else if (entry.key == "limit") {
    if (stated) task.limit = ReadInteger(value, {0});
  } else {
    field.RefuseUnknown(entry, TaskKeys());
  }
}

void ReadTasks(Draft& draft, const Field& field) {
  if (!field.IsMapping()) return;
  for (const YamlNode::Entry& entry : field.node().entries) {
    const Field task = field.Below(entry.value, entry.key);
    if (entry.key.empty() || entry.key == "*") {
      task.Refuse("is no name for a task; what is true of every task stands at the top level");
      continue;
    }
    if (!task.IsMapping()) continue;
    TaskOptions& options = draft.profile.tasks[entry.key];
    for (const YamlNode::Entry& key : entry.value.entries) ReadTaskKey(options, key, task);
  }
}

std::string PrintTask(const TaskOptions& task) {
  std::string text;
  const auto add = [&](std::string_view key, const std::string& value) {
    if (value.empty()) return;
    text += (text.empty() ? "" : ", ") + std::string(key) + ": " + value;
  };
  add("time_limit", PrintValue(task.time_limit));
  add("max_attempts", PrintValue(task.max_attempts));
  add("limit", PrintValue(task.limit));
  return "{" + text + "}";
}

}  // namespace

Key CommandKey() {
  Key key;
  key.path = "command";
  key.read = ReadCommand;
  key.print = [](const Profile& profile) { return PrintList(profile.command); };
  return key;
}

Key EnvKey() {
  Key key;
  key.path = "env";
  key.read = ReadEnv;
  key.print = [](const Profile& profile) { return PrintMap(profile.env, QuoteYaml); };
  return key;
}

Key EnvFileKey() {
  Key key;
  key.path = "env_file";
  key.read = [](Draft& draft, const Field& field) {
    if (const std::string* text = field.Text()) draft.env_file = *text;
  };
  // What the file says is part of `env` by then.
  key.print = [](const Profile&) { return std::string(); };
  return key;
}

Key RlimitsKey() {
  Key key;
  key.path = "rlimits";
  key.read = ReadRlimits;
  key.print = [](const Profile& profile) {
    return PrintMap(profile.rlimits, [](std::uint64_t limit) {
      return limit == kUnlimited ? std::string("unlimited") : std::to_string(limit);
    });
  };
  return key;
}

Key ConfigKey() {
  Key key;
  key.path = "config";
  key.read = ReadConfig;
  // JSON is YAML, but for the dollar signs, which the loader would take for variables.
  key.print = [](const Profile& profile) {
    return ReplaceJsonStrings(profile.config_json, DoubleDollars);
  };
  return key;
}

Key TasksKey() {
  Key key;
  key.path = "tasks";
  key.read = ReadTasks;
  key.print = [](const Profile& profile) { return PrintMap(profile.tasks, PrintTask); };
  key.parts = [](const Profile& profile) {
    Key::Parts parts;
    for (const auto& [name, task] : profile.tasks) {
      parts.emplace_back("tasks." + name, PrintTask(task));
    }
    return parts;
  };
  return key;
}

const std::vector<std::string>& TaskKeys() {
  static const std::vector<std::string> keys = {"time_limit", "max_attempts", "limit"};
  return keys;
}

}  // namespace workmand
