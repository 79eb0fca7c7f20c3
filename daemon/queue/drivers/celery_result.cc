#include "daemon/queue/drivers/celery_result.h"

#include <array>
#include <chrono>
#include <ctime>

#include "daemon/queue/drivers/element_text.h"
#include "protocol/json_slicer.h"

namespace workmand::celery {
namespace {

using element::Quoted;

std::string NowIso() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 32> text{};
  (void)std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S+00:00", &parts);
  return text.data();
}

std::string FailureOf(const Update& update, bool expired) {
  const element::ErrorWords error = element::ReadError(update.bytes);
  const std::string trace = error.trace.empty() ? "null" : Quoted(error.trace);
  std::string type = error.type == "Error" ? "Exception" : error.type;
  std::string module = "builtins";
  if (const std::size_t dot = type.rfind('.'); dot != std::string::npos) {
    module = type.substr(0, dot);
    type = type.substr(dot + 1);
  }
  if (expired) {
    module = "celery.exceptions";
    type = "TaskRevokedError";
  }
  return std::string(R"({"status":)") + (expired ? R"("REVOKED")" : R"("FAILURE")") +
         R"(,"result":{"exc_type":)" + Quoted(type) + R"(,"exc_message":[)" +
         Quoted(error.message) + R"(],"exc_module":)" + Quoted(module) + R"(},"traceback":)" +
         trace;
}

}  // namespace

std::int64_t NowMs() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

bool IsOver(std::int64_t expires_ms) {
  return expires_ms > 0 && expires_ms <= NowMs();
}

std::string MakeResult(std::string_view id, const Update& update, bool expired) {
  std::string text;
  if (update.kind == Update::Kind::kDone) {
    // A result that is no JSON is told as text.
    std::string result = "null";
    if (!update.bytes.empty()) {
      result = workman::protocol::IsJson(update.bytes) ? update.bytes : Quoted(update.bytes);
    }
    text = R"({"status":"SUCCESS","result":)" + result + R"(,"traceback":null)";
  } else {
    text = FailureOf(update, expired);
  }
  return text + R"(,"children":[],"date_done":)" + Quoted(NowIso()) + R"(,"task_id":)" +
         Quoted(id) + "}";
}

}  // namespace workmand::celery
