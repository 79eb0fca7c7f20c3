#include "protocol/decode.h"

#include <array>
#include <cstddef>
#include <utility>

#include "protocol/decode_parts.h"
#include "protocol/fields.h"
#include "protocol/json_chars.h"
#include "protocol/json_text.h"

namespace workman::protocol {
namespace {

/// Turns what was read into the answer: the message, which is moved out, or the first complaint.
template <typename Message>
Decoded Finish(const Fields& fields, Message& message) {
  if (fields.ok()) return Decoded(std::in_place_type<FromWorker>, std::move(message));
  Malformed malformed;
  malformed.why = fields.why();
  return malformed;
}

/// The same for a message whose member `file` belongs to the feature "files".
template <typename Message>
Decoded Finish(Fields& fields, Message& message, std::string_view file) {
  const bool good = fields.ok();
  if (!fields.object().Find(file).empty()) {
    fields.Refuse(file, "needs the feature \"files\", which was not offered");
  }
  Decoded decoded = Finish(fields, message);
  if (auto* malformed = std::get_if<Malformed>(&decoded)) malformed->not_offered = good;
  return decoded;
}

Decoded DecodeDone(Fields& fields) {
  Done message;
  message.id = fields.Id(Need::kRequired);
  message.result = fields.Either("result", "result_b64");
  message.enqueue = fields.RawArray("enqueue", Need::kOptional);
  return Finish(fields, message, "result_file");
}

void CheckError(Fields& message, std::string_view raw) {
  if (raw.empty()) return;
  Object object;
  const JsonError error = Object::Parse(raw, object);
  if (error != JsonError::kNone) return message.Refuse("error:", ToString(error));
  Fields fields(object, "error.");
  std::string text;
  fields.Text("message", Need::kRequired, text);
  for (const std::string_view key : {"code", "class", "trace"}) {
    fields.Text(key, Need::kOptional, text);
  }
  message.Adopt(fields);
}

Decoded DecodeFail(Fields& fields) {
  Fail message;
  message.id = fields.Id(Need::kRequired);
  message.error = fields.RawObject("error", Need::kRequired);
  CheckError(fields, message.error);
  fields.Flag("retry", message.retry);
  fields.Integer("delay_ms", 0, message.delay_ms);
  message.enqueue = fields.RawArray("enqueue", Need::kOptional);
  return Finish(fields, message);
}

Decoded DecodeAbort(Fields& fields) {
  Abort message;
  message.id = fields.Id(Need::kRequired);
  fields.Text("reason", Need::kOptional, message.reason);
  fields.Flag("requeue", message.requeue);
  fields.Integer("delay_ms", 0, message.delay_ms);
  message.enqueue = fields.RawArray("enqueue", Need::kOptional);
  return Finish(fields, message);
}

Decoded DecodeProgress(Fields& fields) {
  Progress message;
  message.id = fields.Id(Need::kRequired);
  fields.Number("done", Need::kRequired, message.done);
  fields.Number("total", Need::kOptional, message.total);
  fields.Text("message", Need::kOptional, message.message);
  return Finish(fields, message);
}

Decoded DecodeData(Fields& fields) {
  Data message;
  message.id = fields.Id(Need::kRequired);
  message.data = fields.Either("data", "data_b64");
  if (message.data.absent()) fields.Refuse("data", "is missing");
  std::optional<bool> warn;
  fields.Flag("warn", warn);
  message.warn = warn.value_or(false);
  return Finish(fields, message);
}

Decoded DecodeLog(Fields& fields) {
  constexpr std::array<std::string_view, 6> kLevels{"trace", "debug", "info",
                                                    "warn",  "error", "fatal"};
  Log message;
  message.id = fields.Id(Need::kOptional);
  std::string level;
  fields.Text("level", Need::kOptional, level);
  message.level = "info";
  for (const std::string_view known : kLevels) {
    if (level == known) message.level = known;
  }
  fields.Text("message", Need::kRequired, message.message);
  message.fields = fields.RawObject("fields", Need::kOptional);
  return Finish(fields, message);
}

Decoded DecodeHeartbeat(Fields& fields) {
  Heartbeat message;
  message.id = fields.Id(Need::kOptional);
  fields.Integer("extend_ms", 0, message.extend_ms);
  return Finish(fields, message);
}

Decoded DecodeEnqueue(Fields& fields) {
  EnqueueRequest message;
  ReadJobSpec(fields, message.job);
  fields.Text("ref", Need::kOptional, message.ref);
  return Finish(fields, message, "args_file");
}

Decoded DecodeRetire(Fields& fields) {
  Retire message;
  fields.Text("reason", Need::kOptional, message.reason);
  return Finish(fields, message);
}

Decoded DecodePong(Fields& fields) {
  Pong message;
  message.id = fields.Id(Need::kRequired);
  return Finish(fields, message);
}

Decoded DecodeReady(Fields& fields) {
  Ready message;
  ReadReady(fields, message);
  return Finish(fields, message);
}

struct Kind {
  std::string_view type;
  bool terminal;
  Decoded (*decode)(Fields& fields);
};

constexpr std::array<Kind, 11> kKinds{{
    {"done", true, DecodeDone},
    {"fail", true, DecodeFail},
    {"abort", true, DecodeAbort},
    {"progress", false, DecodeProgress},
    {"data", false, DecodeData},
    {"log", false, DecodeLog},
    {"heartbeat", false, DecodeHeartbeat},
    {"enqueue", false, DecodeEnqueue},
    {"retire", false, DecodeRetire},
    {"pong", false, DecodePong},
    {"ready", false, DecodeReady},
}};

const Kind* FindKind(std::string_view type) {
  for (const Kind& kind : kKinds) {
    if (type == kind.type) return &kind;
  }
  if (!HasEscape(type)) return nullptr;
  for (const Kind& kind : kKinds) {
    if (SameText(type, kind.type)) return &kind;
  }
  return nullptr;
}

/// Says of a message that breaks the contract what it was and, if that can be read, whose.
void Describe(const Object& object, const Kind& kind, Malformed& malformed) {
  malformed.type = kind.type;
  malformed.id = Fields(object).Id(Need::kOptional);
  malformed.terminal = kind.terminal;
  if (kind.decode == DecodeEnqueue) {
    malformed.ref = ReadString(object.Find("ref")).value_or(std::string());
  }
}

}  // namespace

Decoded Decode(std::string_view line) {
  const std::size_t first = line.find_first_not_of(" \t");
  if (first == std::string_view::npos) return Blank{};
  Object object;
  const JsonError error = Object::Parse(line, object);
  if (error != JsonError::kNone && error != JsonError::kTooManyMembers) {
    return Garbage{line[first] == '{', std::string(ToString(error))};
  }
  std::string_view type = object.Find("type");
  type = type.empty() || type.front() != '"' ? std::string_view() : type.substr(1, type.size() - 2);
  const Kind* kind = FindKind(type);
  if (kind == nullptr) return Foreign{type};
  Fields fields(object);
  if (error != JsonError::kNone) fields.Refuse("message:", ToString(error));
  Decoded decoded = kind->decode(fields);
  if (auto* malformed = std::get_if<Malformed>(&decoded)) Describe(object, *kind, *malformed);
  return decoded;
}

std::string ErrorMessage(std::string_view raw_error) {
  Object object;
  const JsonError error = Object::Parse(raw_error, object);
  if (error != JsonError::kNone && error != JsonError::kDuplicateKey) return {};
  return ReadString(object.Find("message")).value_or(std::string());
}

}  // namespace workman::protocol
