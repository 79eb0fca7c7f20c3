// What the cases are written with: a bench per case, which opens clients, and clients, which fail
// the case when the queue does not do as told. Only the suite includes it.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/queue/conformance.h"

namespace workmand::conformance {

class Relay;

/// How long the suite waits for what must come.
inline constexpr Duration kPatience{10'000};
/// How long it listens for what must not come.
inline constexpr Duration kSilence{200};
/// "At once", on a machine that has other work to do.
inline constexpr Duration kAtOnce{600};
/// For holds that must not end while a case runs.
inline constexpr Duration kLongLease{60'000};

struct CaseFailed : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct DoesNotApply : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Fails the case with `sentence` (what is wrong, not what was hoped for).
void Expect(bool condition, std::string_view sentence);
/// The same with the number that was found.
void ExpectEqual(std::size_t found, std::size_t wanted, std::string_view what);

class Stopwatch {
 public:
  [[nodiscard]] Duration Elapsed() const {
    return std::chrono::duration_cast<Duration>(Clock::now() - start_);
  }

 private:
  TimePoint start_ = Clock::now();
};

/// One connected instance. One thread at a time uses it, but for `waker`.
class Client {
 public:
  explicit Client(std::unique_ptr<Queue> queue);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  Waker waker;
  Queue& queue() { return *queue_; }

  void Register(std::initializer_list<std::string> tasks);
  std::string Put(const std::string& task, std::string payload = "{}");
  std::string Put(const Enqueue& job) { return queue_->Put(job); }

  /// One Dequeue.
  std::vector<Job> Fetch(std::size_t n, Duration timeout);
  /// Exactly `n` jobs, by as many calls of Dequeue as it takes.
  std::vector<Job> Take(std::size_t n);
  Job TakeOne();
  void ExpectNothing(std::string_view sentence);

  Applied Apply(const Update& update);
  Applied Settle(const Job& job, Update::Kind kind, std::string bytes = {});
  /// Settles as done, and fails the case unless that is answered kOk.
  void Done(const Job& job, std::string bytes = {});
  void DoneAll(const std::vector<Job>& jobs);

  /// The next reply, for whichever job.
  Reply AwaitReply();
  void ExpectNoReply(std::string_view sentence);

 private:
  std::unique_ptr<Queue> queue_;
};

Update MakeUpdate(Token token, Update::Kind kind, std::string bytes = {});
std::vector<Update> MakeDones(const std::vector<Job>& jobs);
/// A failure that comes back after `delay`.
Update MakeRetry(Token token, Duration delay);

/// What a case is given.
class Bench {
 public:
  Bench(const ConformanceFixture& fixture, Caps caps, int number);

  [[nodiscard]] const Caps& caps() const { return caps_; }
  [[nodiscard]] const ConformanceFixture& fixture() const { return fixture_; }
  /// A name that no other case or run uses.
  [[nodiscard]] std::string Task(std::string_view suffix = "a") const;
  [[nodiscard]] std::unique_ptr<Client> Open(Role role, Duration lease = kLongLease) const;
  [[nodiscard]] std::unique_ptr<Client> Consumer(std::initializer_list<std::string> tasks,
                                                 Duration lease = kLongLease) const;
  [[nodiscard]] std::unique_ptr<Client> Producer() const { return Open(Role::kProducer); }

  /// What a passing case has found out, for the table.
  void Remark(std::string text) { remark_ = std::move(text); }
  [[nodiscard]] const std::string& remark() const { return remark_; }

 private:
  const ConformanceFixture& fixture_;
  Caps caps_;
  std::string stem_;
  std::string remark_;
};

/// A client whose connections go through `relay`; a consumer has the task registered.
std::unique_ptr<Client> OpenThrough(const Bench& bench, const Relay& relay,
                                    Role role = Role::kConsumer, Duration lease = kLongLease);

/// True when `work` ended in ConnectionLost; whatever else it throws is thrown on.
template <typename Work>
bool Loses(Work&& work) {
  try {
    work();
  } catch (const ConnectionLost&) {
    return true;
  }
  return false;
}

/// What a case needs of the fixture.
enum class Control { kNone, kStop, kFreeze, kProcess, kRelay };

struct Case {
  int number;
  std::string_view name;
  std::uint32_t needs;  ///< bits of Cap
  void (*run)(Bench&);
  Control control = Control::kNone;
};

inline constexpr std::uint32_t kAnyDriver = 0;
constexpr std::uint32_t Needs(Cap cap) {
  return static_cast<std::uint32_t>(cap);
}

std::span<const Case> BasicCases();
std::span<const Case> WaitingCases();
std::span<const Case> CompletionCases();
std::span<const Case> ForegroundCases();
std::span<const Case> OptionCases();
std::span<const Case> LeaseCases();
std::span<const Case> TroubleCases();
std::span<const Case> DeathCases();
std::span<const Case> WireCases();
std::span<const Case> SteadyCases();
std::span<const Case> CutCases();

}  // namespace workmand::conformance
