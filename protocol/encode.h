// What the daemon writes to a worker: compact JSON, `type` first, LF at the end. Payloads are
// spliced as they are. All functions append one whole line.
#pragma once

#include <string>
#include <string_view>

#include "protocol/messages.h"

namespace workman::protocol {

void AppendHello(std::string& out, const Hello& hello);
void AppendJob(std::string& out, const JobMessage& job);
/// `reason`: "timeout" | "shutdown" | "revoked".
void AppendCancel(std::string& out, std::string_view id, std::string_view reason);
/// `reason`: "stop" | "restart" | "recycle" | "scale" | "idle" | "retire". `deadline_ms` < 0: none.
void AppendShutdown(std::string& out, std::string_view reason, std::int64_t deadline_ms);
/// `error` is a sentence when !ok; `result` raw JSON (may be empty) when ok.
void AppendReply(std::string& out, std::string_view ref, bool ok, std::string_view result,
                 std::string_view error);
void AppendPing(std::string& out, std::string_view id);

/// Builds a raw error object `{"code":…,"message":…}`; an empty code is left out.
std::string MakeError(std::string_view code, std::string_view message);

}  // namespace workman::protocol
