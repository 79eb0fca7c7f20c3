#include "daemon/admin/verbs.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "daemon/admin/request.h"
#include "protocol/json_slicer.h"
#include "protocol/json_text.h"

namespace workmand {
namespace {

using workman::protocol::IsJson;
using workman::protocol::IsUtf8;
using workman::protocol::JsonError;
using workman::protocol::kMaxPayloadDepth;
using workman::protocol::Member;
using workman::protocol::Object;
using workman::protocol::ReadString;

constexpr std::array kVerbs = {Verb::kStatus, Verb::kWorkers, Verb::kPause, Verb::kResume,
                               Verb::kReload, Verb::kStop,    Verb::kScale, Verb::kEnqueue};

/// Up to two tables of members that an object may have.
struct Allowed {
  std::span<const RequestField> first;
  std::span<const RequestField> second;

  [[nodiscard]] const RequestField* Find(std::string_view name) const {
    for (const std::span<const RequestField> table : {first, second}) {
      for (const RequestField& field : table) {
        if (field.name == name) return &field;
      }
    }
    return nullptr;
  }
  [[nodiscard]] std::string Names() const {
    std::string out;
    for (const std::span<const RequestField> table : {first, second}) {
      for (const RequestField& field : table) {
        out += out.empty() ? "" : ", ";
        out += field.name;
      }
    }
    return out.empty() ? "nothing" : out;
  }
};

Allowed FieldsOf(Verb verb) {
  switch (verb) {
    case Verb::kStatus:
    case Verb::kWorkers:
    case Verb::kPause:
    case Verb::kResume:
    case Verb::kStop: return {};
    case Verb::kReload: return {ReloadFields(), {}};
    case Verb::kScale: return {ScaleFields(), {}};
    case Verb::kEnqueue: return {JobFields(), WaitFields()};
  }
  return {};
}

Result<Object> ParseObject(std::string_view line) {
  Object object;
  const JsonError error = Object::Parse(line, object);
  if (error == JsonError::kNone) return object;
  return Fail(ErrorCode::kInvalid, std::string(workman::protocol::ToString(error)));
}

/// Keys come from the slicer still escaped.
std::string Unescaped(std::string_view key) {
  if (key.find('\\') == std::string_view::npos) return std::string(key);
  return ReadString('"' + std::string(key) + '"').value_or(std::string(key));
}

/// Reads every member except `skip`; the first bad one is the error.
Result<void> ReadMembers(const Object& object, std::string_view skip, const Allowed& allowed,
                         Request& out) {
  for (const Member& member : object) {
    const std::string name = Unescaped(member.key);
    if (!skip.empty() && name == skip) continue;
    const RequestField* field = allowed.Find(name);
    if (field == nullptr) {
      return Fail(ErrorCode::kInvalid, "unknown field " + QuoteForMessage(name) +
                                           " (accepted here: " + allowed.Names() + ")");
    }
    if (!field->read(member.value, out)) {
      return Fail(ErrorCode::kInvalid, std::string(field->name) + ": " +
                                           std::string(field->expects) + " (got " +
                                           QuoteForMessage(member.value) + ")");
    }
  }
  return {};
}

Result<Verb> ReadVerb(const Object& object) {
  const std::string_view raw = object.Find("verb");
  const std::optional<std::string> name = ReadString(raw);
  if (!name) return Fail(ErrorCode::kInvalid, "verb: must be there, as a string");
  const auto* verb = std::ranges::find(kVerbs, *name, [](Verb one) { return ToString(one); });
  if (verb != kVerbs.end()) return *verb;
  std::string known;
  for (const Verb one : kVerbs) {
    known += known.empty() ? "" : ", ";
    known += ToString(one);
  }
  return Fail(ErrorCode::kInvalid,
              "unknown verb " + QuoteForMessage(*name) + " (known: " + known + ")");
}

/// What must be there, once all members are read.
Result<void> CheckWhole(const Request& request) {
  if (request.verb == Verb::kScale && request.n == 0) {
    return Fail(ErrorCode::kInvalid, "n: must be there (the number of workers wanted)");
  }
  if (request.verb != Verb::kEnqueue) return {};
  if (request.enqueue.job.task.empty()) {
    return Fail(ErrorCode::kInvalid, "task: must be there (the name of what to run)");
  }
  if (request.enqueue.timeout && !request.enqueue.wait) {
    return Fail(ErrorCode::kInvalid, "timeout_ms: needs wait: true");
  }
  return {};
}

}  // namespace

Result<Request> ParseRequest(std::string_view line) {
  const Result<Object> object = ParseObject(line);
  if (!object) return tl::unexpected(object.error());
  const Result<Verb> verb = ReadVerb(*object);
  if (!verb) return tl::unexpected(verb.error());
  Request request;
  request.verb = *verb;
  const Result<void> members = ReadMembers(*object, "verb", FieldsOf(*verb), request);
  if (!members) return tl::unexpected(members.error());
  const Result<void> whole = CheckWhole(request);
  if (!whole) return tl::unexpected(whole.error());
  return request;
}

Result<EnqueueRequest> ParseJobLine(std::string_view line) {
  const Result<Object> object = ParseObject(line);
  if (!object) return tl::unexpected(object.error());
  Request request;
  request.verb = Verb::kEnqueue;
  const Result<void> members = ReadMembers(*object, "", {JobFields(), {}}, request);
  if (!members) return tl::unexpected(members.error());
  const Result<void> whole = CheckWhole(request);
  if (!whole) return tl::unexpected(whole.error());
  return std::move(request.enqueue);
}

Result<void> FitPayload(EnqueueRequest& request, PayloadKind kind) {
  std::string& payload = request.job.payload;
  const bool wants_characters = kind == PayloadKind::kText || kind == PayloadKind::kBase64;
  if (request.form == ArgsForm::kJson && wants_characters) {
    if (std::optional<std::string> text = ReadString(payload)) payload = std::move(*text);
  }
  if (request.form == ArgsForm::kNone && kind == PayloadKind::kJson) payload = "null";
  if (request.form != ArgsForm::kBytes) return {};
  if (kind == PayloadKind::kJson && !IsJson(payload, kMaxPayloadDepth)) {
    return Fail(ErrorCode::kInvalid, "args_b64: this profile's payload is json, and it is none");
  }
  if (kind == PayloadKind::kText && !IsUtf8(payload)) {
    return Fail(ErrorCode::kInvalid,
                "args_b64: this profile's payload is text, and it is no UTF-8");
  }
  return {};
}

std::string_view ToString(Verb verb) {
  switch (verb) {
    case Verb::kStatus: return "status";
    case Verb::kWorkers: return "workers";
    case Verb::kPause: return "pause";
    case Verb::kResume: return "resume";
    case Verb::kReload: return "reload";
    case Verb::kStop: return "stop";
    case Verb::kScale: return "scale";
    case Verb::kEnqueue: return "enqueue";
  }
  return "";
}

}  // namespace workmand
