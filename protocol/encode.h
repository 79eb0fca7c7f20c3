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

/// Builds a raw error object `{"code":…,"message":…,"stderr":…}`; an empty code is left out.
/// `last_words`: what a worker wrote to stderr before it ended, any bytes. The object has its last
/// 20 lines, at most 2 KiB of them; without a word the member is left out.
std::string MakeError(std::string_view code, std::string_view message,
                      std::string_view last_words = {});

/// `error`, a raw error object, with no more than `most` bytes (at least 1 KiB): a longer one keeps
/// its code and class and the beginnings of message and trace, and has `"shortened":true` instead
/// of the rest. The result lies in `error` or in `scratch`.
std::string_view ShortenError(std::string_view error, std::size_t most, std::string& scratch);

}  // namespace workman::protocol
