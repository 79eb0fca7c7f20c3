// One worker process as the supervisor sees it: the child, its line readers, and what must be
// remembered about it between two events. Plain data; the supervisor moves it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/base/ids.h"
#include "daemon/base/time.h"
#include "daemon/core/flood.h"
#include "daemon/io/child.h"
#include "daemon/io/loop.h"
#include "daemon/modes/filter_answer.h"
#include "daemon/modes/framing.h"
#include "daemon/profile/profile.h"
#include "protocol/line_reader.h"

namespace workmand {

/// Of a worker of mode lines.
struct Filter {
  explicit Filter(const Profile& profile)
      : frames(profile.lines.framing, profile.max_line), reader(profile.lines) {}
  FrameReader frames;
  AnswerReader reader;
  std::uint64_t answers = 0;
  bool answered_at_eof = false;  ///< the first job's answer came when its input had ended
};

/// Of a worker of mode exec while it has a job.
struct Program {
  Program(const DeliveryId& its_delivery, std::size_t max_line)
      : delivery(its_delivery), control(max_line) {}
  DeliveryId delivery;
  std::string output;
  bool too_long = false;                  ///< its output; the program is being ended for it
  workman::protocol::LineReader control;  ///< descriptor 3
  int refused = 0;                        ///< lines of it
};

constexpr std::size_t kStderrTail = 8192;
constexpr std::size_t kStderrLine = 16384;
/// Appends, and keeps the last kStderrTail bytes at least.
inline void KeepTail(std::string& tail, std::string_view bytes) {
  tail.append(bytes);
  if (tail.size() > 2 * kStderrTail) tail.erase(0, tail.size() - kStderrTail);
}

struct WorkerProcess {
  WorkerProcess(SlotId id, std::string worker_name, std::shared_ptr<const Profile> its_profile)
      : slot(id),
        name(std::move(worker_name)),
        profile(std::move(its_profile)),
        max_line(profile->max_line),
        out(profile->max_line),
        err(kStderrLine) {}

  SlotId slot;
  std::string name;                        ///< "thumbs-3"
  std::shared_ptr<const Profile> profile;  ///< of its generation
  std::unique_ptr<io::Child> child;        ///< null when it could not be started
  bool awaited = false;                    ///< a template is to fork it, and has not yet
  std::uint64_t serial = 0;                ///< of this process; never used again
  std::size_t max_line;                    ///< the longest line to send: the profile's or its own
  workman::protocol::LineReader out;
  workman::protocol::LineReader err;
  TimePoint spawned_at{};
  bool dirty = false;  ///< has unflushed output in this turn

  /// Where each job's line ends in the stream to stdin: it was delivered once the pipe has taken
  /// that many bytes. Only those not taken yet.
  struct Sending {
    DeliveryId delivery;
    std::uint64_t end;
  };
  std::deque<Sending> sending;
  std::unique_ptr<io::Timer> write_timer;  ///< runs while the pipe does not take what is written
  std::uint64_t written_at_timer = 0;
  std::unique_ptr<io::Timer> stdout_timer;  ///< stdout is at EOF and the process lives

  std::unique_ptr<Filter> filter;    ///< mode lines
  std::unique_ptr<Program> program;  ///< mode exec

  std::string unusable;          ///< why it can never work with this profile; empty = it may
  bool failure_counted = false;  ///< what it failed of has failed others, and is counted there
  std::string start_note;        ///< what is known of why it did not start; empty = nothing
  std::string stderr_tail;       ///< the last bytes of stderr, for the record of its death
  std::string broke;             ///< the violation that it is ended for: "V07: a damaged outcome"

  /// Read from its stdout and not looked at yet, because it had its share of the turn or is unread.
  std::string backlog;
  bool unread = false;  ///< its stdout is left unread until the queue has taken what came before

  LineBudget err_budget;
  LineBudget log_budget;
  LineBudget noise_budget;                   ///< of what is no message on stdout
  std::unique_ptr<io::Timer> dropped_timer;  ///< runs until the log is told of what was dropped
  FloodMeter flood;
  bool flooded = false;  ///< was told to go for it
  std::uint64_t garbage_lines = 0;
  std::string first_garbage;  ///< its first line that was no message, cut

  bool pings = false;          ///< understands `ping`
  std::uint64_t ping = 0;      ///< number of the last one; 0 = none
  TimePoint pong_by = kNever;  ///< when its answer is overdue; kNever = none is owed
  TimePoint progress_at{};     ///< when progress was last passed on
};

}  // namespace workmand
