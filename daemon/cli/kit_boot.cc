// Cases 1 to 6: getting ready, and going when there is nothing to do.
#include <array>
#include <set>
#include <string>

#include "daemon/cli/kit.h"
#include "protocol/json_slicer.h"
#include "protocol/json_text.h"

namespace workmand::cli {
namespace {

namespace wire = workman::protocol;

void ReadyFirst(Bench& bench) {
  const wire::Ready& ready = bench.Start().AwaitReady();
  Expect(ready.any_task || !ready.tasks.empty(), "ready names no task");
}

void ReadyWithoutHello(Bench& bench) {
  Setup setup;
  setup.hello = false;
  bench.Start(setup).AwaitReady();
}

void ReadyFlushed(Bench& bench) {
  Subject& subject = bench.Start();
  try {
    subject.AwaitReady();
    return;
  } catch (const NeverReady&) {
    if (subject.talk().end()) throw;
  }
  subject.CloseInput();
  constexpr Duration kForTheBuffer{2'000};
  const std::optional<Said> said = subject.NextOrEnd(subject.Scaled(kForTheBuffer), "ready");
  Expect(!said, "ready came only when stdin was closed: stdout is not flushed");
  throw NeverReady("no ready, not even when stdin was closed");
}

/// What the decoder of the daemon takes for the sake of later versions, and a kit need not.
void ReadySchema(Bench& bench) {
  Subject& subject = bench.Boot();
  const wire::Ready& ready = subject.ready();
  Expect(ready.proto == wire::kVersion, "proto is not 1");
  Expect(!ready.clamped, "concurrency or prefetch is out of range");
  std::set<std::string> names;
  for (const wire::AnnouncedTask& task : ready.tasks) {
    Expect(names.insert(task.name).second, "the task " + task.name + " is there twice");
  }
  if (ready.pid != 0 && ready.pid != subject.talk().pid()) {
    bench.Remark("ready.pid is not the process that was started: a wrapper without exec?");
  }
}

void EofIdleExits(Bench& bench) {
  Subject& subject = bench.Boot();
  subject.CloseInput();
  while (const auto said = subject.NextOrEnd(subject.step(), "end of its output")) {
    Expect(said->type == "log" || said->type == "heartbeat", "a " + said->type + " after the end");
  }
  subject.EndsWell(subject.step(), "the end of stdin");
}

void EofBeforeReady(Bench& bench) {
  Setup setup;
  setup.hello = false;
  Subject& subject = bench.Start(setup);
  subject.CloseInput();
  const std::vector<Said> outcomes = subject.End(subject.boot());
  Expect(outcomes.empty(), "an outcome without a job");
}

constexpr std::array kCases = {
    Case{1, "ready-first", Level::kMust, ReadyFirst,
         "Write {\"type\":\"ready\",\"tasks\":[…]} and a line feed to stdout before anything else "
         "that is a message, soon after the start."},
    Case{2, "ready-without-hello", Level::kMust, ReadyWithoutHello,
         "Do not read before ready is written: nobody waits for the other."},
    Case{3, "ready-flushed", Level::kMust, ReadyFlushed,
         "Flush stdout after every line: a pipe is buffered in blocks by default."},
    Case{4, "ready-schema", Level::kMust, ReadySchema,
         "See docs/protocol.md, ready: names of 1 to 255 bytes, each once; proto 1 or absent."},
    Case{5, "eof-idle-exits-0", Level::kMust, EofIdleExits,
         "Leave the loop at the end of stdin, write nothing more, and exit with 0."},
    Case{6, "eof-before-ready", Level::kMust, EofBeforeReady,
         "Read stdin, and treat its end as the order to go, also when no job ever came."},
};

}  // namespace

std::span<const Case> BootCases() {
  return kCases;
}

}  // namespace workmand::cli
