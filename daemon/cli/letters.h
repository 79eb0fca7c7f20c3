// Dead letters as `workman failed` shows them: a table, one whole letter, or JSON. Pure: letters
// in, text out. What comes from queues and workers never reaches the terminal as control
// characters.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/profile/profile.h"
#include "daemon/queue/queue.h"

namespace workmand::cli {

/// One a line below a line of headings, with the first line of each error.
std::string RenderLetterTable(const std::vector<DeadLetter>& letters);
/// One letter in full: the error's members, the last words on stderr, and the arguments last.
std::string RenderLetter(const DeadLetter& letter);

/// One object on one line, without the arguments.
std::string RenderLetterJson(const DeadLetter& letter);
/// The same with the arguments, as `enqueue --from` takes them: `args` where the profile's payload
/// is JSON or text and the bytes are that, else `args_b64`.
std::string RenderLetterJson(const DeadLetter& letter, PayloadKind payload);

/// "2026-11-23T15:47:16Z", cut to the second; "-" for 0 (unknown).
std::string UtcTime(std::int64_t epoch_ms);

}  // namespace workmand::cli
