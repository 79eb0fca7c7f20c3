// What the drivers on Redis differ in: which keys and scripts hold the jobs, and how a job looks
// there. The engine (redis_queue.h) does the rest: connections, waits, tokens.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/job.h"
#include "daemon/queue/drivers/redis_link.h"
#include "daemon/queue/queue.h"

namespace workmand::redis {

enum class Script { kPut, kFetch, kSettle, kDone, kTick, kSize, kOldest, kLetters, kRetry, kDrop };
inline constexpr std::size_t kScripts = 10;
/// By Script; empty = this dialect has none.
using ScriptTexts = std::array<std::string, kScripts>;

/// Runs scripts and commands and waits for each. Throws ConnectionLost, also when the server
/// answers with an error.
class Server {
 public:
  virtual ~Server() = default;
  virtual Reply Run(Script script, const Args& words) = 0;
  virtual Reply Call(const Args& words) = 0;
};

/// What an instance knows of a job that it holds.
struct Hold {
  Args words;         ///< where it lies, for the settle script; made and read by the dialect
  Job job;            ///< without its token; the payload is dropped once the worker has it
  std::string extra;  ///< the dialect's own
  /// The job says that its time has not come: it goes back until then.
  Duration postpone{0};
};

/// Who asks, and what a settlement needs to know of the instance.
struct Caller {
  std::string instance;  ///< "host:pid:random", unique
  Duration lease{0};
  Duration result_ttl{0};
};

/// What the settle scripts call an update.
[[nodiscard]] std::string_view KindWord(const Update& update);

struct FetchOrder {
  std::size_t n = 0;
  bool look_for_expired = false;
  std::vector<std::string> tasks;  ///< rotated: the first has its turn
};

class Dialect {
 public:
  virtual ~Dialect() = default;

  [[nodiscard]] virtual Caps GetCaps() const = 0;
  /// Before every key of ours.
  [[nodiscard]] virtual const std::string& stem() const = 0;
  /// The first words of every script; the stem is the first of them.
  [[nodiscard]] virtual Args Head() const { return {stem()}; }
  [[nodiscard]] virtual ScriptTexts Texts() const = 0;

  /// Why this job can never be put; empty when it can.
  [[nodiscard]] virtual std::string WhyRefused(const Enqueue& job) const = 0;
  /// Adds the words of a new job. `producer`: the instance that waits for the result, or empty.
  virtual void AddPut(Args& words, const Enqueue& job, const std::string& id,
                      const std::string& producer) const = 0;
  virtual void AddFetch(Args& words, const Caller& caller, const FetchOrder& order) const = 0;
  /// A job as the fetch script returns it. With an error in `broken`, the job can never run: it is
  /// settled as a dead letter at once.
  [[nodiscard]] virtual Hold Read(const redisReply* row, std::string& broken) const = 0;
  /// Adds the words of one update, without its follow-ups; false = kUnsupported.
  virtual bool AddSettle(Args& words, const Hold& hold, const Update& update,
                         const Caller& caller) const = 0;

  /// Where jobs end whose end is told to nobody and frees nothing: what Script::kDone ends together
  /// has one such place. Empty = this job is settled by itself.
  [[nodiscard]] virtual std::string PlaceOfDone(const Hold& /*hold*/) const { return {}; }
  /// Adds the words of one such job; the first ones of a batch are the place.
  virtual void AddDone(Args& /*words*/, const Hold& /*hold*/, const Update& /*update*/,
                       const Caller& /*caller*/) const {}

  virtual void Enter(Server& /*server*/, const Caller& /*caller*/) {}
  virtual void Leave(Server& /*server*/, const Caller& /*caller*/) {}
  virtual void Tick(Server& server, const Caller& caller) = 0;
  virtual std::optional<std::uint64_t> Size(Server& server, std::string_view task) = 0;
  virtual std::optional<std::int64_t> OldestMs(Server& server) = 0;
  virtual std::vector<DeadLetter> DeadLetters(Server& server, std::size_t limit) = 0;
  virtual bool RetryDead(Server& server, std::string_view id) = 0;
  virtual bool DropDead(Server& server, std::string_view id) = 0;
};

}  // namespace workmand::redis
