#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "protocol/decode_parts.h"
#include "protocol/json_text.h"

namespace workman::protocol {
namespace {

constexpr std::string_view kAnyTask = "*";

void ReadBackoff(Fields& task, std::string_view where, AnnouncedTask& out) {
  const std::string_view raw = task.RawObject("backoff", Need::kOptional);
  if (raw.empty()) return;
  Object object;
  const JsonError error = Object::Parse(raw, object);
  if (error != JsonError::kNone) return task.Refuse("backoff:", ToString(error));
  const std::string inner = std::string(where) + "backoff.";
  Fields fields(object, inner);
  Backoff backoff;
  std::string kind = "exp";
  fields.OneOf("kind", {"const", "exp"}, kind);
  backoff.exponential = kind == "exp";
  if (object.Find("base_ms").empty()) fields.Refuse("base_ms", "is missing");
  fields.Integer("base_ms", 0, backoff.base_ms);
  fields.Integer("max_ms", 0, backoff.max_ms);
  fields.Number("jitter", Need::kOptional, backoff.jitter);
  if (backoff.jitter < 0 || backoff.jitter > 1) fields.Refuse("jitter", "must be 0 to 1");
  task.Adopt(fields);
  out.backoff = backoff;
}

void ReadWord(Fields& fields, std::string_view key, std::initializer_list<std::string_view> words,
              std::optional<std::string>& out) {
  std::string word;
  fields.OneOf(key, words, word);
  if (!word.empty()) out = std::move(word);
}

void ReadCount(Fields& fields, std::string_view key, std::int64_t min,
               std::optional<std::int64_t>& out) {
  if (fields.object().Find(key).empty()) return;
  fields.Count(key, min, out.emplace());
}

void ReadTaskObject(Fields& fields, std::string_view where, AnnouncedTask& out) {
  fields.TaskName("name", out.name);
  if (out.name == kAnyTask) fields.Refuse("name", "must not be \"*\", which has no options");
  fields.Integer("timeout_ms", 0, out.timeout_ms);
  ReadCount(fields, "max_attempts", 1, out.max_attempts);
  ReadBackoff(fields, where, out);
  ReadWord(fields, "payload", {"json", "text", "base64"}, out.payload);
  ReadWord(fields, "on_abort", {"requeue", "fail", "drop"}, out.on_abort);
  fields.Integer("stall_ms", 0, out.stall_ms);
  ReadCount(fields, "limit", 0, out.limit);
}

/// One element of `tasks`: a name, or an object with a name and options.
void ReadTask(Fields& ready, std::string_view raw, Ready& out) {
  const std::string name = "tasks[" + std::to_string(out.tasks.size()) + "]";
  AnnouncedTask task;
  Object object;
  if (raw.front() == '"') {
    task.name = ReadString(raw).value_or(std::string());
    if (!IsTaskName(task.name)) ready.Refuse(name, kTaskNameRule);
  } else if (raw.front() == '{') {
    const JsonError error = Object::Parse(raw, object);
    if (error != JsonError::kNone) return ready.Refuse(name + ":", ToString(error));
    const std::string where = name + ".";
    Fields fields(object, where);
    ReadTaskObject(fields, where, task);
    ready.Adopt(fields);
  } else {
    ready.Refuse(name, "must be a name or an object");
  }
  out.tasks.push_back(std::move(task));
}

void ReadTasks(Fields& fields, Ready& out) {
  const std::string_view raw = fields.object().Find("tasks");
  if (raw == "\"*\"") {
    out.any_task = true;
    return;
  }
  if (raw.empty()) return fields.Refuse("tasks", "is missing");
  if (raw.front() != '[') return fields.Refuse("tasks", "must be an array of tasks, or \"*\"");
  ForEachElement(raw, [&](std::string_view element) {
    ReadTask(fields, element, out);
    return fields.ok();
  });
  if (!fields.ok()) return;
  if (out.tasks.empty()) return fields.Refuse("tasks", "must name at least one task");
  std::set<std::string_view> names;
  for (const AnnouncedTask& task : out.tasks) {
    if (!names.insert(task.name).second) {
      return fields.Refuse("tasks", "names the task \"" + task.name + "\" twice");
    }
  }
  const auto any = std::find_if(out.tasks.begin(), out.tasks.end(),
                                [](const AnnouncedTask& task) { return task.name == kAnyTask; });
  if (any == out.tasks.end()) return;
  out.any_task = true;
  out.tasks.erase(any);
}

void ReadSdk(Fields& ready, Ready& out) {
  const std::string_view raw = ready.RawObject("sdk", Need::kOptional);
  if (raw.empty()) return;
  Object object;
  const JsonError error = Object::Parse(raw, object);
  if (error != JsonError::kNone) return ready.Refuse("sdk:", ToString(error));
  Fields fields(object, "sdk.");
  fields.Text("name", Need::kOptional, out.sdk_name);
  fields.Text("version", Need::kOptional, out.sdk_version);
  fields.Text("lang", Need::kOptional, out.sdk_lang);
  ready.Adopt(fields);
}

/// An integer that is pulled into its range rather than refused.
void ReadClamped(Fields& fields, std::string_view key, std::pair<std::int64_t, std::int64_t> range,
                 std::int64_t& out, bool& clamped) {
  constexpr std::int64_t kAnyInteger = -(std::int64_t{1} << 53U);
  std::optional<std::int64_t> value;
  fields.Integer(key, kAnyInteger, value);
  if (!value) return;
  out = std::clamp(*value, range.first, range.second);
  clamped = clamped || out != *value;
}

}  // namespace

void ReadReady(Fields& fields, Ready& out) {
  ReadTasks(fields, out);
  fields.Integer("proto", 0, out.proto);
  if (out.proto != kVersion) {
    fields.Refuse("proto",
                  "must be " + std::to_string(kVersion) + ", the only version this daemon speaks");
  }
  ReadSdk(fields, out);
  fields.Integer("pid", 1, out.pid);
  std::vector<std::string> signals;
  fields.Texts("signals", signals);
  for (const std::string& signal : signals) {
    out.handles_term = out.handles_term || signal == "TERM";
    out.handles_abort = out.handles_abort || signal == "ABRT";
  }
  ReadClamped(fields, "concurrency", {1, kMaxConcurrency}, out.concurrency, out.clamped);
  ReadClamped(fields, "prefetch", {0, kMaxPrefetch}, out.prefetch, out.clamped);
  fields.Texts("features", out.features);
  fields.Integer("max_line", 1, out.max_line);
  std::optional<bool> zygote;
  fields.Flag("zygote", zygote);
  out.zygote = zygote.value_or(false);
}

}  // namespace workman::protocol
