#include "daemon/queue/drivers/celery_message.h"

#include <array>
#include <cstdio>
#include <ctime>
#include <optional>
#include <vector>

#include "daemon/queue/drivers/element_text.h"
#include "protocol/json_slicer.h"
#include "protocol/json_text.h"

namespace workmand::celery {
namespace {

namespace json = workman::protocol;
using element::MemberText;
using element::Quoted;

constexpr std::string_view kJson = "application/json";
constexpr const char* kNoJson =
    "only JSON is served here: set task_serializer to json (the content type is ";
constexpr const char* kNoCanvas =
    "callbacks, chains and chords are not supported: their next task cannot be put from here";

bool IsSet(std::string_view raw) {
  return !raw.empty() && raw != "null" && raw != "[]";
}

/// The body of an element, decoded; nothing = it is no base64.
std::optional<std::string> DecodeBody(std::string_view element) {
  std::string body = MemberText(element, "body");
  const std::string encoding = MemberText(MemberText(element, "properties"), "body_encoding");
  if (encoding != "base64") return body;
  return json::DecodeBase64(body);
}

}  // namespace

std::int64_t ParseCeleryTime(std::string_view text) {
  const std::string copy(text);
  std::tm parts{};
  const char* rest = strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (rest == nullptr) return 0;
  std::int64_t ms = std::int64_t{timegm(&parts)} * 1000;
  if (*rest == '.') {
    int unit = 100;
    for (++rest; *rest >= '0' && *rest <= '9'; ++rest, unit /= 10)
      ms += std::int64_t{*rest - '0'} * unit;
  }
  int hours = 0;
  int minutes = 0;
  if ((*rest == '+' || *rest == '-') && std::sscanf(rest + 1, "%2d:%2d", &hours, &minutes) >= 1) {
    const std::int64_t offset = (std::int64_t{hours} * 60 + minutes) * 60'000;
    ms += *rest == '+' ? -offset : offset;
  }
  return ms;
}

CeleryMessage ParseCeleryMessage(std::string_view element) {
  CeleryMessage message;
  const std::string headers = MemberText(element, "headers");
  message.task = MemberText(headers, "task");
  message.id = MemberText(headers, "id");
  message.eta_ms = ParseCeleryTime(MemberText(headers, "eta"));
  message.expires_ms = ParseCeleryTime(MemberText(headers, "expires"));
  message.ignore_result = MemberText(headers, "ignore_result") == "true";
  message.retries = static_cast<int>(json::ReadInt(MemberText(headers, "retries")).value_or(0));
  if (message.task.empty() || message.id.empty()) {
    message.broken = kNoProtocol2;
    return message;
  }
  const auto body = DecodeBody(element);
  const std::string type = MemberText(element, "content-type");
  ReadCeleryBody(type, body.value_or(""), message);
  if (!body && type == kJson) message.broken = "the body of the message is no base64";
  return message;
}

void ReadCeleryBody(std::string_view type, std::string_view body, CeleryMessage& message) {
  if (type != kJson) {
    message.broken = kNoJson + std::string(type.empty() ? "missing" : type) + ")";
    return;
  }
  std::vector<std::string> parts;
  const bool is_array = json::IsJson(body) && json::ForEachElement(body, [&](std::string_view one) {
                          parts.emplace_back(one);
                          return true;
                        });
  if (!is_array || parts.size() != 3 || parts[0].front() != '[' || parts[1].front() != '{') {
    message.broken = "the body of the message is not [args, kwargs, embed]";
    return;
  }
  json::Object embed;
  if (element::ReadMembers(parts[2], embed)) {
    for (const char* name : {"callbacks", "errbacks", "chain", "chord"}) {
      if (IsSet(embed.Find(name))) message.broken = kNoCanvas;
    }
  }
  message.args = parts[0];
  message.kwargs = parts[1];
}

std::string MakeCeleryBody(const CeleryMessage& message) {
  return "[" + message.args + "," + message.kwargs +
         R"(,{"callbacks":null,"errbacks":null,"chain":null,"chord":null}])";
}

std::string ShownArguments(std::string_view arguments) {
  constexpr std::size_t kLongest = 1024;  // as in Celery itself
  if (arguments.size() <= kLongest) return std::string(arguments);
  return std::string(arguments.substr(0, kLongest)) + "...";
}

std::string MakeCeleryMessage(const CeleryMessage& message, std::string_view queue) {
  const std::string id = Quoted(message.id);
  std::string body;
  json::AppendBase64(body, MakeCeleryBody(message));
  std::string text = R"({"body":")" + body;
  text += R"(","content-encoding":"utf-8","content-type":"application/json","headers":)";
  text += R"({"lang":"py","task":)" + Quoted(message.task) + R"(,"id":)" + id;
  text += R"(,"shadow":null,"eta":null,"expires":null,"group":null,"group_index":null,)";
  text += R"("retries":0,"timelimit":[null,null],"root_id":)" + id + R"(,"parent_id":null,)";
  text += R"("argsrepr":)" + Quoted(ShownArguments(message.args)) + R"(,"kwargsrepr":)";
  text += Quoted(ShownArguments(message.kwargs));
  text += R"(,"origin":"workman","ignore_result":false},"properties":{"correlation_id":)" + id;
  text += R"(,"reply_to":"","delivery_mode":2,"delivery_info":{"exchange":"","routing_key":)";
  text += Quoted(queue) + R"(},"priority":0,"body_encoding":"base64","delivery_tag":)" + id;
  return text + "}}";
}

void ToCeleryArguments(std::string_view payload, CeleryMessage& message, int& whole) {
  message.args = element::ToArguments(payload, whole);
  message.kwargs = "{}";
  if (whole == 0) {
    whole = 3;
    return;
  }
  if (whole != 1 || payload.front() != '{') return;
  CeleryMessage both;
  both.args = MemberText(payload, "args");
  both.kwargs = MemberText(payload, "kwargs");
  // Only what comes back as the same bytes.
  if (both.args.starts_with('[') && both.kwargs.starts_with('{') &&
      ToCeleryPayload(both, 0) == payload) {
    message.args = both.args;
    message.kwargs = both.kwargs;
    whole = 0;
  }
}

std::string ToCeleryPayload(const CeleryMessage& message, int whole) {
  if (whole == 0) return R"({"args":)" + message.args + R"(,"kwargs":)" + message.kwargs + "}";
  return element::ToPayload(message.args, whole == 3 ? 0 : whole);
}

}  // namespace workmand::celery
