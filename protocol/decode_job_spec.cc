#include <optional>
#include <string>
#include <string_view>

#include "protocol/decode.h"
#include "protocol/decode_parts.h"
#include "protocol/json_text.h"

namespace workman::protocol {

void ReadJobSpec(Fields& fields, JobSpec& out) {
  fields.TaskName("task", out.task);
  const Payload args = fields.Either("args", "args_b64");
  if (args.is_base64()) {
    out.args_binary = true;
    out.args = DecodeBase64Inside(args.base64).value_or(std::string());
  } else {
    out.args = args.absent() ? std::string_view("null") : args.json;
  }
  fields.Text("queue", Need::kOptional, out.queue);
  fields.Integer("delay_ms", 0, out.delay_ms);
  fields.OneOf("priority", {"high", "normal", "low"}, out.priority);
  fields.Text("unique", Need::kOptional, out.unique);
  fields.Count("max_attempts", 1, out.max_attempts);
}

bool ReadJobSpecs(std::string_view raw_array, std::vector<JobSpec>& out, std::string& why) {
  std::size_t index = 0;
  const bool good = ForEachElement(raw_array, [&](std::string_view element) {
    const std::string name = "enqueue[" + std::to_string(index++) + "]";
    Object object;
    const JsonError error = Object::Parse(element, object);
    if (error != JsonError::kNone) {
      why = name + (error == JsonError::kNotAnObject ? " must be an object"
                                                     : ": " + std::string(ToString(error)));
      return false;
    }
    const std::string where = name + ".";
    Fields fields(object, where);
    ReadJobSpec(fields, out.emplace_back());
    why = fields.why();
    return fields.ok();
  });
  if (!good && why.empty()) why = "enqueue must be an array";
  return good;
}

}  // namespace workman::protocol
