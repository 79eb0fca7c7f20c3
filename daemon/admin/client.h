// The client's end of the control socket: a Request -> one line, a line of the daemon -> what it
// says. `workman` drives it. Pure: no socket, no clock.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/admin/snapshot.h"
#include "daemon/admin/verbs.h"
#include "daemon/base/result.h"

namespace workmand {

/// The line for `request`, without its LF.
[[nodiscard]] std::string RenderRequest(const Request& request);

/// One line of the daemon. `note` lines come before the reply and are no reply.
struct Answer {
  bool is_note = false;
  std::string note;
  bool ok = false;
  std::string error;                  ///< a sentence when !ok
  std::string id;                     ///< of a job; may be empty
  std::optional<std::string> result;  ///< the bytes of a done job's result
  bool job_failed = false;            ///< !ok because the job failed, not the request
  bool timed_out = false;             ///< !ok because the wait was over first
  std::string status;                 ///< the raw status object, or empty
  std::string workers;                ///< the raw array of workers, or empty
  Generation generation;              ///< of a reload
  std::uint32_t draining = 0;
};
/// The error says that the line is none of the daemon's.
[[nodiscard]] Result<Answer> ParseAnswer(std::string_view line);

/// Reads back what RenderStatus wrote (`Answer::status`); members that are missing keep their
/// defaults, so that an older daemon can be asked.
[[nodiscard]] Result<Snapshot> ReadSnapshot(std::string_view status);
[[nodiscard]] Result<std::vector<WorkerSnapshot>> ReadWorkers(std::string_view workers);

}  // namespace workmand
