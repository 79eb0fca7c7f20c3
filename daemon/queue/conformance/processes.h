// Consumers in processes of their own, so that a case can kill one: the fixture's command started
// again with words that RunConformanceHelper (conformance.h) understands. One thread uses them.
#pragma once

#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "daemon/queue/conformance/kit.h"

namespace workmand::conformance {

/// Of the holds of processes that are going to be killed.
inline constexpr Duration kBriefLease{1'000};

/// What a helper does with the jobs of one task.
struct HelperWork {
  /// hold: takes `jobs` jobs, says the payload of each, and keeps them. settle: takes as many, says
  /// "ready", and then the payload of each right before it settles it as done. work: does so with
  /// whatever comes, until its stdin ends.
  std::string mode;
  std::string task;
  std::size_t jobs = 1;
};

/// A process that the destructor kills.
class Helper {
 public:
  Helper(const ConformanceFixture& fixture, const HelperWork& work);
  ~Helper();
  Helper(const Helper&) = delete;
  Helper& operator=(const Helper&) = delete;

  /// For poll(2): readable when it has said something, or has ended.
  [[nodiscard]] int fd() const { return out_; }
  /// The next line that it says; the case fails when none comes within 10 s.
  std::string Line();
  /// Appends the lines that it has said so far; never waits.
  void Read(std::vector<std::string>& lines);
  /// SIGKILL, and waits until it is gone. What it said before can still be read.
  void Kill();
  /// Ends its stdin and waits for its end; kills it after 10 s.
  void Finish();

 private:
  bool Fill();

  pid_t pid_ = 0;
  int in_ = -1;
  int out_ = -1;
  std::string text_;  ///< what it has said and nobody has read
};

/// Exactly `n` jobs that come back from dead holders, with the housekeeping that frees them.
std::vector<Job> TakeBack(Client& client, std::size_t n);
/// After a reconnect: settles what is held still, or takes what came back and settles that; nothing
/// may come after it.
void FinishHeld(const Bench& bench, Client& consumer, const std::vector<Job>& held);

}  // namespace workmand::conformance
