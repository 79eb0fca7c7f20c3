#include "protocol/zygote.h"

#include "protocol/fields.h"
#include "protocol/json_slicer.h"
#include "protocol/json_text.h"

namespace workman::protocol {
namespace {

void AppendText(std::string& out, std::string_view member, std::string_view text) {
  out.append(member);
  AppendString(out, text);
}

/// Whether the line is a message of this type; then `object` holds it.
bool IsMessage(std::string_view line, std::string_view type, Object& object) {
  if (Object::Parse(line, object) != JsonError::kNone) return false;
  return ReadString(object.Find("type")) == type;
}

}  // namespace

void AppendFork(std::string& out, const Fork& fork) {
  AppendText(out, R"({"type":"fork","worker":)", fork.worker);
  AppendText(out, R"(,"token":)", fork.token);
  AppendText(out, R"(,"socket":)", fork.socket);
  out += fork.err ? R"(,"stderr":true})" : "}";
  out += '\n';
}

std::optional<Attach> ReadAttach(std::string_view line) {
  Object object;
  if (!IsMessage(line, "attach", object)) return std::nullopt;
  Fields fields(object);
  Attach attach;
  fields.Text("token", Need::kRequired, attach.token);
  std::string stream;
  fields.OneOf("stream", {"stderr"}, stream);
  attach.err = !stream.empty();
  if (!fields.ok()) return std::nullopt;
  return attach;
}

std::optional<Exited> ReadExited(std::string_view line) {
  Object object;
  if (!IsMessage(line, "exited", object)) return std::nullopt;
  Fields fields(object);
  Exited exited;
  fields.Text("token", Need::kRequired, exited.token);
  fields.Text("why", Need::kOptional, exited.why);
  if (!fields.ok()) return std::nullopt;
  return exited;
}

}  // namespace workman::protocol
