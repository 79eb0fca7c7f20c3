// The daemon's end of the control socket: one line in -> a Request, an answer -> one line out.
// The supervisor drives it and carries the verbs out. Pure: no socket, no clock, no queue.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/admin/snapshot.h"
#include "daemon/base/job.h"
#include "daemon/base/result.h"
#include "daemon/base/time.h"
#include "daemon/profile/profile.h"

namespace workmand {

enum class Verb : std::uint8_t {
  kStatus,
  kWorkers,
  kPause,
  kResume,
  kReload,
  kStop,
  kScale,
  kEnqueue,
};

/// How the arguments of a job came. Either way `EnqueueRequest::job.payload` holds them.
enum class ArgsForm : std::uint8_t {
  kNone,   ///< neither `args` nor `args_b64`: the payload is empty
  kJson,   ///< `args`: the payload is that JSON text, byte for byte as it stood in the line
  kBytes,  ///< `args_b64`: the payload is the decoded bytes
};

struct EnqueueRequest {
  Enqueue job;  ///< `foreground` is set when `wait` is
  ArgsForm form = ArgsForm::kNone;
  bool wait = false;
  std::optional<Duration> timeout;  ///< of the wait; absent = none. Only with `wait`
};

struct Request {
  Verb verb = Verb::kStatus;
  int n = 0;               ///< kScale: the number of workers wanted, at least 1
  EnqueueRequest enqueue;  ///< kEnqueue
  /// The client reads `note` lines before the reply (reload, and enqueue with wait). Who does not
  /// ask for them gets exactly one line.
  bool notes = false;
};

/// Reads one line of the control socket, without its LF. The error is a sentence that names the
/// verb or field at fault; it goes back with RenderError. Nothing of `line` is kept.
[[nodiscard]] Result<Request> ParseRequest(std::string_view line);

/// Reads the members of a job from one JSON object that has no others (task, args or args_b64,
/// delay_ms, priority, unique, max_attempts): a line of `workman enqueue --from`.
[[nodiscard]] Result<EnqueueRequest> ParseJobLine(std::string_view line);

/// Turns the arguments into the bytes that this profile's queue carries, in place. With `text` and
/// `base64` a JSON string stands for its characters; with `json` the bytes must be JSON, and
/// missing arguments are `null`; with `text` they must be UTF-8. The error is a sentence.
[[nodiscard]] Result<void> FitPayload(EnqueueRequest& request, PayloadKind kind);

// Replies. Each is one line without its LF.

/// `{"ok":true,"status":{…}}`.
[[nodiscard]] std::string RenderStatus(const Snapshot& snapshot);
/// `{"ok":true,"workers":[…]}`, the same list as in the status.
[[nodiscard]] std::string RenderWorkers(const Snapshot& snapshot);
/// `{"ok":true}`.
[[nodiscard]] std::string RenderOk();
/// `{"ok":false,"error":"…"}`.
[[nodiscard]] std::string RenderError(std::string_view sentence);
/// `{"ok":true,"id":"…"}`: the job is on the queue.
[[nodiscard]] std::string RenderEnqueued(std::string_view id);
/// The end of a wait. Done: `{"ok":true,"id":"…","result":…}` (an empty result is null, one that is
/// no JSON stands in `result_b64`). Failed: `{"ok":false,"id":"…","error":"the message",
/// "failure":{the error object}}`. Timed out: `{"ok":false,"id":"…","error":"…","timeout":true}`.
[[nodiscard]] std::string RenderResult(const Reply& reply);

/// How a reload ended.
struct ReloadOutcome {
  bool ok = false;
  Generation generation;       ///< now serving
  std::uint32_t draining = 0;  ///< busy workers of older generations, still at their job
  std::string message;         ///< why not, e.g. "rolled back: …"; only when !ok
};
/// `{"ok":true,"generation":3,"draining":1}` or `{"ok":false,"error":"rolled back: …"}`.
[[nodiscard]] std::string RenderReload(const ReloadOutcome& outcome);

/// `{"note":"…"}` before the reply, to clients that asked for notes. With an id (a waiting enqueue
/// whose job is now on the queue) `{"note":"…","id":"…"}`.
[[nodiscard]] std::string RenderNote(std::string_view sentence, std::string_view id = {});

/// The sentence for a person in a failed job's error (`message` of the object, else the bytes).
[[nodiscard]] std::string FailureMessage(std::string_view error);

/// "high", "normal", "low"; nothing for any other text.
[[nodiscard]] std::optional<Priority> ParsePriority(std::string_view text);
[[nodiscard]] std::string_view ToString(Priority priority);
/// "starting", "running", …
[[nodiscard]] std::string_view ToString(DaemonState state);
/// "status", "workers", …
[[nodiscard]] std::string_view ToString(Verb verb);

}  // namespace workmand
