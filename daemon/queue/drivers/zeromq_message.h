// What stands in the messages: docs/queues/zeromq.md tells it to the authors of clients. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "daemon/base/job.h"
#include "daemon/queue/drivers/zeromq_socket.h"

namespace workmand::zeromq {

inline constexpr std::size_t kLongestTask = 1'000;

/// The way back to a caller.
struct Route {
  /// What stands before the task and goes before the answer as it came: the identity of the
  /// connection, what a proxy or a REQ socket put behind it, and the empty frame if there was one.
  Frames envelope;
  std::string id;  ///< the caller's own name for the job; goes behind the answer
};

/// Splits `frames` of a ROUTER into the envelope and the rest.
void TakeEnvelope(Frames& frames, Frames& envelope);
/// Reads [task, payload, id] into `job`; the last two may be missing. Returns why it is no job,
/// empty = it is.
std::string ReadJob(Frames& frames, Job& job);
Frames MakeJob(const Enqueue& job, const std::string& id);

Frames MakeAnswer(const Route& route, bool done, std::string_view bytes);
/// [done|fail, bytes, id] as a caller gets it, with or without an empty frame first. Without an id
/// `Reply::id` is empty. Nothing: it is no answer.
std::optional<Reply> ReadAnswer(Frames& frames);

/// {"message": …}
std::string MakeError(std::string_view message);

}  // namespace workmand::zeromq
