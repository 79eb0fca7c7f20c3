// Stands for a daemon in tests that kill or stop one.
//   unit_io_helper own LAUNCHER USER   starts a worker that ignores everything; prints its pid
//   unit_io_helper clock               answers each byte on stdin with "SHOWN REAL\n", in ms
#include <cstdio>
#include <string>
#include <unistd.h>
#include <vector>

#include "daemon/io/child.h"
#include "daemon/io/loop.h"
#include "daemon/io/pipes.h"

namespace workmand::io {
namespace {

int OwnWorker(const std::string& launcher, const std::string& user) {
  Loop loop;
  ChildSpec spec;
  spec.launcher = launcher;
  spec.argv = {"sh", "-c", "trap '' TERM HUP INT PIPE; echo up; exec sleep 100"};
  spec.env = {"PATH=/usr/bin:/bin"};
  spec.user = user;
  spec.working_directory = "/";
  std::unique_ptr<Child> child;
  ChildEvents events;
  events.on_stdout = [&](std::string_view) {
    std::printf("%d\n", child->pid());
    std::fflush(stdout);
  };
  events.on_gone = [](const ExitStatus& how) { std::printf("%s\n", how.ToString().c_str()); };
  auto started = Child::Spawn(loop, spec, std::move(events));
  if (!started) return 1;
  child = std::move(*started);
  loop.Run();
  return 1;
}

int ShowClock() {
  Loop loop;
  // A timer makes the sleeps of the loop finite: only then is a late wake-up known to be late.
  Timer tick(loop, [&] { tick.Set(After(loop.Now(), Duration{20})); });
  tick.Set(loop.Now());
  WatchedFd input;
  struct Context {
    Loop& loop;
    WatchedFd& input;
  } context{loop, input};
  if (!input.Open(loop, UniqueFd(::dup(STDIN_FILENO)), &context)) return 1;
  input.Watch(UV_READABLE, [](uv_poll_t* handle, int, int) {
    auto& self = *static_cast<Context*>(handle->data);
    const ReadOutcome outcome = ReadOnce(self.loop, self.input.fd());
    if (outcome.kind == ReadOutcome::Kind::kEnd) self.loop.Stop();
    if (outcome.kind != ReadOutcome::Kind::kBytes) return;
    const auto in_ms = [](TimePoint time) {
      return std::to_string(std::chrono::duration_cast<Duration>(time.time_since_epoch()).count());
    };
    std::puts((in_ms(self.loop.Now()) + " " + in_ms(Clock::now())).c_str());
    std::fflush(stdout);
  });
  loop.Run();
  return 0;
}

}  // namespace
}  // namespace workmand::io

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv, argv + argc);
  if (args.size() == 4 && args[1] == "own") return workmand::io::OwnWorker(args[2], args[3]);
  if (args.size() == 2 && args[1] == "clock") return workmand::io::ShowClock();
  return 64;
}
