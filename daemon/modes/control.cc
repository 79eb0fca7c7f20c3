#include "daemon/modes/control.h"

#include <variant>

#include "protocol/json_slicer.h"

namespace workmand {

namespace proto = workman::protocol;

std::string_view WithId(std::string_view line, std::string_view id, std::string& scratch) {
  proto::Object object;
  if (proto::Object::Parse(line, object) != proto::JsonError::kNone) return line;
  if (!object.Find("id").empty()) return line;
  scratch.assign(R"({"id":")").append(id).append(object.size() > 0 ? "\"," : "\"");
  scratch.append(line.substr(line.find('{') + 1));
  return scratch;
}

bool IsControl(const proto::FromWorker& message) {
  return std::holds_alternative<proto::Progress>(message) ||
         std::holds_alternative<proto::Data>(message) ||
         std::holds_alternative<proto::Log>(message) ||
         std::holds_alternative<proto::Heartbeat>(message) ||
         std::holds_alternative<proto::EnqueueRequest>(message);
}

}  // namespace workmand
