#include "daemon/admin/request.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "protocol/json_text.h"

namespace workmand {
namespace {

using workman::protocol::DecodeBase64;
using workman::protocol::ReadBool;
using workman::protocol::ReadInt;
using workman::protocol::ReadString;

constexpr std::int64_t kMaxScale = 10'000;
constexpr std::int64_t kMaxAttempts = 1'000'000;
/// What base/time.h can add to a moment without overflow.
constexpr std::int64_t kMaxLengthMs = Duration(std::chrono::hours(24 * 365 * 50)).count();

std::optional<std::int64_t> ReadIntWithin(std::string_view raw, std::int64_t least,
                                          std::int64_t most) {
  const std::optional<std::int64_t> value = ReadInt(raw);
  if (!value || *value < least || *value > most) return std::nullopt;
  return value;
}

/// Names travel as C strings and as NUL-separated fields in some queues' protocols.
std::optional<std::string> ReadName(std::string_view raw) {
  std::optional<std::string> value = ReadString(raw);
  if (!value || value->empty() || value->find('\0') != std::string::npos) return std::nullopt;
  return value;
}

bool ReadTask(std::string_view raw, Request& out) {
  std::optional<std::string> value = ReadName(raw);
  if (!value) return false;
  out.enqueue.job.task = std::move(*value);
  return true;
}

bool ReadArgs(std::string_view raw, Request& out) {
  if (out.enqueue.form != ArgsForm::kNone) return false;
  out.enqueue.form = ArgsForm::kJson;
  out.enqueue.job.payload.assign(raw);
  return true;
}

bool ReadArgsB64(std::string_view raw, Request& out) {
  if (out.enqueue.form != ArgsForm::kNone) return false;
  const std::optional<std::string> text = ReadString(raw);
  if (!text) return false;
  std::optional<std::string> bytes = DecodeBase64(*text);
  if (!bytes) return false;
  out.enqueue.form = ArgsForm::kBytes;
  out.enqueue.job.payload = std::move(*bytes);
  return true;
}

bool ReadDelay(std::string_view raw, Request& out) {
  const std::optional<std::int64_t> value = ReadIntWithin(raw, 0, kMaxLengthMs);
  if (value) out.enqueue.job.delay = Duration(*value);
  return value.has_value();
}

bool ReadPriority(std::string_view raw, Request& out) {
  const std::optional<std::string> value = ReadString(raw);
  if (!value) return false;
  const std::optional<Priority> priority = ParsePriority(*value);
  if (priority) out.enqueue.job.priority = *priority;
  return priority.has_value();
}

bool ReadUnique(std::string_view raw, Request& out) {
  std::optional<std::string> value = ReadName(raw);
  if (!value) return false;
  out.enqueue.job.unique = std::move(*value);
  return true;
}

bool ReadMaxAttempts(std::string_view raw, Request& out) {
  const std::optional<std::int64_t> value = ReadIntWithin(raw, 1, kMaxAttempts);
  if (value) out.enqueue.job.max_attempts = static_cast<int>(*value);
  return value.has_value();
}

bool ReadWait(std::string_view raw, Request& out) {
  const std::optional<bool> value = ReadBool(raw);
  if (value) out.enqueue.wait = out.enqueue.job.foreground = *value;
  return value.has_value();
}

bool ReadTimeout(std::string_view raw, Request& out) {
  const std::optional<std::int64_t> value = ReadIntWithin(raw, 1, kMaxLengthMs);
  if (value) out.enqueue.timeout = Duration(*value);
  return value.has_value();
}

bool ReadNotes(std::string_view raw, Request& out) {
  const std::optional<bool> value = ReadBool(raw);
  if (value) out.notes = *value;
  return value.has_value();
}

bool ReadN(std::string_view raw, Request& out) {
  const std::optional<std::int64_t> value = ReadIntWithin(raw, 1, kMaxScale);
  if (value) out.n = static_cast<int>(*value);
  return value.has_value();
}

constexpr std::string_view kOneForm = "must be the only one of args and args_b64";

constexpr std::array kJob = {
    RequestField{"task", "must be a non-empty string without NUL", ReadTask},
    RequestField{"args", kOneForm, ReadArgs},
    RequestField{"args_b64", "must be padded base64 in a string, and without args beside it",
                 ReadArgsB64},
    RequestField{"delay_ms",
                 "must be a whole number of milliseconds, at least 0 (50 years at most)",
                 ReadDelay},
    RequestField{"priority", R"(must be "high", "normal" or "low")", ReadPriority},
    RequestField{"unique", "must be a non-empty string without NUL", ReadUnique},
    RequestField{"max_attempts", "must be a whole number from 1 to 1000000", ReadMaxAttempts},
};
constexpr RequestField kNotes{"notes", "must be true or false", ReadNotes};
constexpr std::array kWait = {
    RequestField{"wait", "must be true or false", ReadWait},
    RequestField{"timeout_ms",
                 "must be a whole number of milliseconds, at least 1 (50 years at most)",
                 ReadTimeout},
    kNotes,
};
constexpr std::array kScale = {
    RequestField{"n", "must be a whole number from 1 to 10000", ReadN},
};
constexpr std::array kReload = {kNotes};

}  // namespace

std::span<const RequestField> JobFields() {
  return kJob;
}
std::span<const RequestField> WaitFields() {
  return kWait;
}
std::span<const RequestField> ScaleFields() {
  return kScale;
}
std::span<const RequestField> ReloadFields() {
  return kReload;
}

std::optional<Priority> ParsePriority(std::string_view text) {
  if (text == "high") return Priority::kHigh;
  if (text == "normal") return Priority::kNormal;
  if (text == "low") return Priority::kLow;
  return std::nullopt;
}

std::string_view ToString(Priority priority) {
  switch (priority) {
    case Priority::kHigh: return "high";
    case Priority::kNormal: return "normal";
    case Priority::kLow: return "low";
  }
  return "";
}

std::string QuoteForMessage(std::string_view text) {
  constexpr std::size_t kLongest = 60;
  std::string out = "\"";
  out += text.substr(0, kLongest);
  if (text.size() > kLongest) out += "…";
  out += '"';
  return out;
}

}  // namespace workmand
