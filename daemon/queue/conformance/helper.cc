// The other side of processes.h: what a helper process does.
#include <charconv>
#include <csignal>
#include <iostream>
#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "daemon/queue/conformance/kit.h"

namespace workmand {
namespace {

using conformance::Client;

/// One write(2), so that a line is said whole or not at all; false when nobody listens.
bool Say(const std::string& line) {
  const std::string text = line + "\n";
  return write(STDOUT_FILENO, text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

bool Ended(int fd, short events) {
  pollfd entry{fd, events, 0};
  return poll(&entry, 1, 0) > 0;
}

void Hold(Client& client, std::size_t count) {
  for (const Job& job : client.Take(count)) Say(job.payload);
  for (;;) pause();
}

void Settle(Client& client, std::size_t count) {
  const std::vector<Job> jobs = client.Take(count);
  Say("ready");
  for (const Job& job : jobs) {
    Say(job.payload);
    client.Done(job);
  }
  for (;;) pause();
}

/// A lease may end on a machine that is busy: a done that is lost is no fault here.
void Work(Client& client) {
  constexpr std::size_t kAtATime = 4;
  while (!Ended(STDIN_FILENO, POLLIN)) {
    (void)client.queue().Tick();
    for (const Job& job : client.Fetch(kAtATime, Duration{100})) {
      Say(job.payload);
      (void)client.Settle(job, Update::Kind::kDone);
    }
  }
}

}  // namespace

int RunConformanceHelper(const ConformanceFixture& fixture, std::span<const std::string> words) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // The suite may have died before that line.
  if (Ended(STDOUT_FILENO, 0)) return EXIT_FAILURE;
  if (words.size() != 4) return EXIT_FAILURE;
  const auto number = [](const std::string& word) {
    std::size_t value = 0;
    std::from_chars(word.data(), word.data() + word.size(), value);
    return value;
  };
  try {
    const auto lease = static_cast<Duration::rep>(number(words[2]));
    Client client(fixture.open(Role::kConsumer, Duration{lease}));
    client.Register({words[1]});
    if (words[0] == "hold") Hold(client, number(words[3]));
    if (words[0] == "settle") Settle(client, number(words[3]));
    if (words[0] == "work") Work(client);
  } catch (const std::exception& error) {
    std::cerr << "a helper process of the suite: " << error.what() << "\n";
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}

}  // namespace workmand
