#include "daemon/profile/keys.h"

#include <array>

#include "daemon/profile/blocks.h"
#include "daemon/profile/key_kinds.h"
#include "daemon/profile/mode_keys.h"
#include "daemon/profile/queue_block.h"

namespace workmand {
namespace {

/// The place of a key in a Profile, const or not.
#define WORKMAND_AT(member) ([](auto& profile) -> auto& { return profile.member; })

constexpr int kMaxWorkers = 10'000;
constexpr int kMaxPrefetch = 100'000;
constexpr IntegerRange kAnyCount{0};
constexpr IntegerRange kAtLeastOne{1};
constexpr std::uint64_t kLeastLine = std::uint64_t{64} << 10U;
constexpr std::uint64_t kMostLine = std::uint64_t{1} << 30U;

constexpr std::array kStopSignals = {Choice<StopSignal>{"auto", StopSignal::kAuto},
                                     Choice<StopSignal>{"always", StopSignal::kAlways},
                                     Choice<StopSignal>{"never", StopSignal::kNone}};
constexpr std::array kPayloads = {Choice<PayloadKind>{"json", PayloadKind::kJson},
                                  Choice<PayloadKind>{"text", PayloadKind::kText},
                                  Choice<PayloadKind>{"base64", PayloadKind::kBase64},
                                  Choice<PayloadKind>{"auto", PayloadKind::kAuto}};
constexpr std::array kLevels = {Choice<log::Level>{"trace", log::Level::kTrace},
                                Choice<log::Level>{"debug", log::Level::kDebug},
                                Choice<log::Level>{"info", log::Level::kInfo},
                                Choice<log::Level>{"warn", log::Level::kWarn},
                                Choice<log::Level>{"error", log::Level::kError},
                                Choice<log::Level>{"off", log::Level::kOff}};
constexpr std::array kFormats = {Choice<log::Format>{"text", log::Format::kText},
                                 Choice<log::Format>{"json", log::Format::kJson}};
constexpr std::array kStderrModes = {Choice<StderrMode>{"log", StderrMode::kLog},
                                     Choice<StderrMode>{"inherit", StderrMode::kInherit},
                                     Choice<StderrMode>{"null", StderrMode::kNull}};
constexpr std::array kChannels = {Choice<Channel>{"stdio", Channel::kStdio},
                                  Choice<Channel>{"fd", Channel::kFd}};
constexpr std::array kGarbage = {Choice<GarbagePolicy>{"tolerate", GarbagePolicy::kTolerate},
                                 Choice<GarbagePolicy>{"strict", GarbagePolicy::kStrict}};

std::vector<Key> WorkerKeys() {
  return {
      NeedsRestart(TextKey("name", WORKMAND_AT(name))),
      CommandKey(),
      TextKey("working_directory", WORKMAND_AT(working_directory)),
      EnvKey(),
      EnvFileKey(),
      TextKey("user", WORKMAND_AT(user)),
      TextKey("group", WORKMAND_AT(group)),
      IntegerKey("nice", WORKMAND_AT(nice), {-20, 19}),
      RlimitsKey(),
      ConfigKey(),
  };
}

std::vector<Key> PoolKeys() {
  return {
      IntegerKey("max_workers", WORKMAND_AT(max_workers), {1, kMaxWorkers}),
      IntegerKey("min_workers", WORKMAND_AT(min_workers), {1, kMaxWorkers}),
      DurationKey("idle_timeout", WORKMAND_AT(idle_timeout)),
      DurationKey("spawn_interval", WORKMAND_AT(spawn_interval)),
      DurationKey("start_timeout", WORKMAND_AT(start_timeout), kZeroRefused),
      DurationKey("respawn_backoff.min", WORKMAND_AT(respawn_backoff_min)),
      DurationKey("respawn_backoff.max", WORKMAND_AT(respawn_backoff_max)),
      IntegerKey("max_start_failures", WORKMAND_AT(max_start_failures), kAnyCount),
      IntegerKey("max_reqs_per_child", WORKMAND_AT(max_reqs_per_child), kAnyCount),
      FractionKey("max_reqs_per_child_jitter", WORKMAND_AT(max_reqs_per_child_jitter)),
      DurationKey("max_lifetime", WORKMAND_AT(max_lifetime)),
      SwitchKey("preload", WORKMAND_AT(preload)),
  };
}

std::vector<Key> TimeKeys() {
  return {
      DurationKey("time_limit", WORKMAND_AT(time_limit)),
      DurationKey("soft_time_limit", WORKMAND_AT(soft_time_limit)),
      DurationKey("slow_job_threshold", WORKMAND_AT(slow_job_threshold)),
      DurationKey("graceful_shutdown_timeout", WORKMAND_AT(graceful_shutdown_timeout),
                  kInfinityAllowed),
      DurationKey("graceful_restart_timeout", WORKMAND_AT(graceful_restart_timeout),
                  kInfinityAllowed),
      DurationKey("abort_timeout", WORKMAND_AT(abort_timeout), kZeroRefused),
      ChoiceKey("stop_signal", WORKMAND_AT(stop_signal), kStopSignals),
      IntegerKey("restart.max_surge", WORKMAND_AT(max_surge), {0, kMaxWorkers}),
      IntegerKey("restart.max_unavailable", WORKMAND_AT(max_unavailable), {0, kMaxWorkers}),
  };
}

Key PrefetchKey() {
  return MakeKey(
      "prefetch", WORKMAND_AT(prefetch),
      [](const Field& field) -> std::optional<std::optional<int>> {
        if (field.node().kind == YamlNode::Kind::kScalar && field.node().text == "auto") {
          return std::optional<int>{};
        }
        const auto number = ReadInteger(field, {0, kMaxPrefetch, "auto or a whole number"});
        return number ? std::make_optional(number) : std::nullopt;
      },
      [](const std::optional<int>& value) { return value ? std::to_string(*value) : "auto"; });
}

std::vector<Key> JobKeys() {
  return {
      PrefetchKey(),
      DurationKey("dequeue_interval", WORKMAND_AT(dequeue_interval)),
      DurationKey("lease_time", WORKMAND_AT(lease_time), kZeroRefused),
      IntegerKey("max_attempts", WORKMAND_AT(max_attempts), kAtLeastOne),
      DurationKey("retry_backoff.min", WORKMAND_AT(retry_backoff.min)),
      DurationKey("retry_backoff.max", WORKMAND_AT(retry_backoff.max)),
      MakeKey("retry_backoff.factor", WORKMAND_AT(retry_backoff.factor), ReadFactor, PrintNumber),
      FractionKey("retry_backoff.jitter", WORKMAND_AT(retry_backoff.jitter)),
      DurationKey("dead_letter.retention", WORKMAND_AT(dead_letter_retention)),
      DurationKey("result_ttl", WORKMAND_AT(result_ttl)),
      IntegerKey("max_aborts", WORKMAND_AT(max_aborts), kAnyCount),
  };
}

Key MaxLineKey() {
  return MakeKey(
      "max_line", WORKMAND_AT(max_line),
      [](const Field& field) { return ReadSize(field, kLeastLine, kMostLine); },
      [](std::size_t bytes) { return PrintSize(bytes); });
}

std::vector<Key> ProtocolKeys() {
  return {
      ChoiceKey("payload", WORKMAND_AT(payload), kPayloads),
      MaxLineKey(),
      NeedsRestart(TextKey("state_dir", WORKMAND_AT(state_dir))),
      ChoiceKey("log.level", WORKMAND_AT(log.level), kLevels),
      ChoiceKey("log.format", WORKMAND_AT(log.format), kFormats),
      TextKey("log.file", WORKMAND_AT(log.file)),
      DurationKey("max_timeout", WORKMAND_AT(max_timeout)),
      DurationKey("stall_timeout", WORKMAND_AT(stall_timeout)),
      DurationKey("exit_grace", WORKMAND_AT(exit_grace), kZeroRefused),
      DurationKey("write_timeout", WORKMAND_AT(write_timeout), kZeroRefused),
      IntegerKey("max_violations", WORKMAND_AT(max_violations), kAnyCount),
      DurationKey("ping_interval", WORKMAND_AT(ping_interval)),
      SwitchKey("kill_group", WORKMAND_AT(kill_group)),
      ChoiceKey("channel", WORKMAND_AT(channel), kChannels),
      ChoiceKey("stderr", WORKMAND_AT(stderr_mode), kStderrModes),
      ChoiceKey("stdout_garbage", WORKMAND_AT(stdout_garbage), kGarbage),
      NeedsRestart(QueueKey()),
      TasksKey(),
      NeedsRestart(TextKey("admin.socket", WORKMAND_AT(admin.socket))),
      NeedsRestart(SwitchKey("admin.show_args", WORKMAND_AT(admin.show_args))),
  };
}

#undef WORKMAND_AT

struct Alias {
  std::string_view alias;
  std::string_view key;
};
/// The original program's spelling.
constexpr std::array kAliases = {Alias{"max_reqs_par_child", "max_reqs_per_child"}};

}  // namespace

const std::vector<Key>& Keys() {
  static const std::vector<Key> keys = [] {
    std::vector<Key> all;
    for (const auto& group :
         {WorkerKeys(), PoolKeys(), TimeKeys(), JobKeys(), ProtocolKeys(), ModeKeys()}) {
      all.insert(all.end(), group.begin(), group.end());
    }
    return all;
  }();
  return keys;
}

std::vector<std::string> AcceptedKeys() {
  std::vector<std::string> accepted;
  for (const Key& key : Keys()) accepted.push_back(key.path);
  for (const Alias& alias : kAliases) accepted.emplace_back(alias.alias);
  for (const std::string_view key : QueueBlockKeys()) accepted.emplace_back(key);
  for (const std::string_view key : TaskKeys()) accepted.push_back("tasks.*." + std::string(key));
  return accepted;
}

std::optional<std::string_view> AliasOf(std::string_view alias) {
  for (const Alias& known : kAliases) {
    if (known.alias == alias) return known.key;
  }
  return std::nullopt;
}

std::optional<std::string_view> OtherSpelling(std::string_view key) {
  for (const Alias& known : kAliases) {
    if (known.alias == key) return known.key;
    if (known.key == key) return known.alias;
  }
  return std::nullopt;
}

}  // namespace workmand
