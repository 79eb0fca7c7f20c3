#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "tests/unit/io/harness.h"

namespace workmand::io {
namespace {

using Order = std::vector<std::string>;

std::size_t CountDescriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

/// Tries to make `pid` the next process id to be given out. Needs privileges.
bool SetNextPid(pid_t pid) {
  std::ofstream last("/proc/sys/kernel/ns_last_pid");
  last << pid - 1 << std::flush;
  return last.good();
}

}  // namespace

TEST_CASE("output and its end come before the exit of an ordinary child", "[io]") {
  TestLoop test;
  Recorded seen;
  REQUIRE(seen.Start(test.loop, Shell("printf hi; printf oops >&2; exit 3")));

  REQUIRE(test.Wait([&] { return seen.gone(); }));

  CHECK(seen.out == "hi");
  CHECK(seen.err == "oops");
  CHECK(seen.order == Order{"eof", "gone"});
  CHECK(seen.status->ToString() == "exit 3");
}

TEST_CASE("a grandchild that holds the pipe delays the end by a grace only", "[io]") {
  TestLoop test;
  Recorded seen;
  REQUIRE(seen.Start(test.loop, Shell("sleep 30 & printf hi")));
  const TimePoint before = test.loop.Now();

  REQUIRE(test.Wait([&] { return seen.gone(); }));
  const auto took = test.loop.Now() - before;
  const int kill_after_gone = ::kill(-seen.child->pid(), 0);
  seen.child->SignalGroup(SIGKILL);  // does nothing any more
  ::kill(-seen.child->pid(), SIGKILL);

  CHECK(seen.out == "hi");
  CHECK(seen.order == Order{"gone"});
  CHECK(took >= ChildSpec{}.pipe_grace);
  CHECK(took < std::chrono::seconds(10));
  CHECK(kill_after_gone == 0);
}

TEST_CASE("the group of an ended child can be signalled until its end was told", "[io]") {
  TestLoop test;
  Recorded seen;
  ChildEvents events = seen.Events();
  events.on_gone = [&](const ExitStatus& how) {
    seen.status = how;
    seen.child->SignalGroup(SIGKILL);
  };
  auto started = Child::Spawn(test.loop, Shell("sleep 30 & echo $!"), std::move(events));
  REQUIRE(started);
  seen.child = std::move(*started);

  REQUIRE(test.Wait([&] { return seen.gone(); }));
  const pid_t grandchild = std::stoi(seen.out);
  Recorded waiter;
  REQUIRE(waiter.Start(test.loop, Shell("while grep -q '^State:.[RSDT]' /proc/" +
                                        std::to_string(grandchild) + "/status; do :; done")));

  CHECK(test.Wait([&] { return waiter.gone(); }));
}

TEST_CASE("a child that closes its output lives on", "[io]") {
  TestLoop test;
  Recorded seen;
  REQUIRE(seen.Start(test.loop, Shell("exec 1>&-; read line; exit 4")));
  REQUIRE(test.Wait([&] { return !seen.order.empty(); }));
  CHECK(seen.order == Order{"eof"});
  CHECK(::kill(seen.child->pid(), 0) == 0);

  seen.child->Write("go on\n");
  seen.child->Flush();

  REQUIRE(test.Wait([&] { return seen.gone(); }));
  CHECK(seen.order == Order{"eof", "gone"});
  CHECK(seen.status->code == 4);
}

TEST_CASE("a command that cannot be executed is told from an exit with 127", "[io]") {
  TestLoop test;
  Recorded missing;
  Recorded own;
  REQUIRE(missing.Start(test.loop, SpecOf({"no-such-command"})));
  REQUIRE(own.Start(test.loop, Shell("exit 127")));

  REQUIRE(test.Wait([&] { return missing.gone() && own.gone(); }));

  CHECK(missing.status->ToString() == "cannot execute: No such file or directory");
  CHECK(missing.out.empty());
  CHECK(own.status->ToString() == "exit 127");
}

TEST_CASE("a missing launcher and an empty command are errors of the start", "[io]") {
  TestLoop test;
  Recorded seen;
  ChildSpec no_launcher = Shell("true");
  no_launcher.launcher = "/no/such/launcher";

  CHECK_FALSE(seen.Start(test.loop, no_launcher));
  CHECK(seen.err == "cannot start '/no/such/launcher': no such file or directory");
  CHECK_FALSE(seen.Start(test.loop, SpecOf({})));
  CHECK(seen.err == "the command is empty");
  test.loop.Run();
  CHECK(seen.order.empty());
}

TEST_CASE("a child that dies by a signal says which", "[io]") {
  TestLoop test;
  Recorded seen;
  REQUIRE(seen.Start(test.loop, Shell("kill -SEGV $$")));

  REQUIRE(test.Wait([&] { return seen.gone(); }));

  CHECK(seen.status->signal == SIGSEGV);
  CHECK(seen.status->code == 0);
}

TEST_CASE("a child has real pipes that it can open by name", "[io]") {
  TestLoop test;
  Recorded seen;
  REQUIRE(seen.Start(test.loop, Shell("cat /dev/stdin; echo out > /dev/stdout; echo err > "
                                      "/dev/stderr; readlink /proc/self/fd/0")));
  seen.child->Write("in\n");
  seen.child->CloseStdin();

  REQUIRE(test.Wait([&] { return seen.gone(); }));

  CHECK(seen.out.starts_with("in\nout\npipe:["));
  CHECK(seen.err == "err\n");
}

TEST_CASE("a child leads a session of its own", "[io]") {
  TestLoop test;
  Recorded seen;
  REQUIRE(seen.Start(test.loop, Shell("read stop")));

  const pid_t pid = seen.child->pid();

  CHECK(::getsid(pid) == pid);
  CHECK(::getpgid(pid) == pid);
  seen.child->Signal(SIGTERM);
  REQUIRE(test.Wait([&] { return seen.gone(); }));
  CHECK(seen.status->signal == SIGTERM);
}

TEST_CASE("a child inherits nothing but its three descriptors", "[io]") {
  TestLoop test;
  const UniqueFd leaky(::open("/dev/null", O_RDONLY));  // without O_CLOEXEC, as others may forget
  Recorded seen;
  REQUIRE(seen.Start(test.loop, SpecOf({"ls", "/proc/self/fd"})));

  REQUIRE(test.Wait([&] { return seen.gone(); }));

  CHECK(seen.out == "0\n1\n2\n3\n");  // 3 is the folder that ls reads
}

TEST_CASE("stderr can be thrown away", "[io]") {
  TestLoop test;
  Recorded seen;
  ChildSpec spec = Shell("readlink /proc/$$/fd/2");
  spec.stderr_mode = ChildSpec::Stderr::kNull;
  REQUIRE(seen.Start(test.loop, spec));

  REQUIRE(test.Wait([&] { return seen.gone(); }));

  CHECK(seen.out == "/dev/null\n");
}

TEST_CASE("all that a child wrote on stderr comes before its end", "[io]") {
  TestLoop test;
  Recorded seen;
  REQUIRE(seen.Start(test.loop, Shell("head -c 300000 /dev/zero >&2")));

  REQUIRE(test.Wait([&] { return seen.gone(); }));

  CHECK(seen.err.size() == 300'000);
}

TEST_CASE("a child may be destroyed in each of its events", "[io]") {
  const std::string event = GENERATE("stdout", "stderr", "eof", "gone", "write error");
  TestLoop test;
  Recorded seen;
  ChildEvents events;
  bool destroyed = false;
  const std::string captured(100, 'x');
  const auto destroy = [&, captured] {
    seen.child.reset();
    destroyed = captured.size() == 100;
  };
  if (event == "stdout") events.on_stdout = [&](std::string_view) { destroy(); };
  if (event == "stderr") events.on_stderr = [&](std::string_view) { destroy(); };
  if (event == "eof") events.on_stdout_eof = [&] { destroy(); };
  if (event == "gone") events.on_gone = [&](const ExitStatus&) { destroy(); };
  if (event == "write error") events.on_write_error = [&](int) { destroy(); };
  const std::string script = event == "eof"           ? "exec 1>&-; read x; read x"
                             : event == "write error" ? "exec 0<&-; sleep 30"
                                                      : "echo out; echo err >&2; read x";
  auto started = Child::Spawn(test.loop, Shell(script), std::move(events));
  REQUIRE(started);
  seen.child = std::move(*started);
  seen.child->Write(std::string(1 << 20, 'w'));  // a write is pending all the time
  seen.child->Flush();
  if (event == "gone") seen.child->Signal(SIGTERM);

  CHECK(test.Wait([&] { return destroyed; }));
  test.loop.Run();  // ends once the killed process is reaped
}

TEST_CASE("destroying a child kills its group and leaves no zombie", "[io]") {
  TestLoop test;
  Recorded seen;
  REQUIRE(seen.Start(test.loop, Shell("trap '' TERM; echo up; while :; do sleep 30; done")));
  REQUIRE(test.Wait([&] { return !seen.out.empty(); }));
  const pid_t pid = seen.child->pid();

  seen.child.reset();
  test.loop.Run();

  CHECK(::kill(pid, 0) == -1);
  CHECK(errno == ESRCH);
  CHECK(seen.order.empty());
}

TEST_CASE("a loop that ends right after a killed child still reaps it", "[io]") {
  pid_t pid = 0;
  {
    TestLoop test;
    Recorded seen;
    REQUIRE(seen.Start(test.loop, Shell("sleep 30")));
    pid = seen.child->pid();
  }
  CHECK(::kill(pid, 0) == -1);
  CHECK(errno == ESRCH);
}

TEST_CASE("a signal after the exit hits nobody who got the same pid", "[io]") {
  TestLoop test;
  Recorded old;
  Recorded heir;
  REQUIRE(old.Start(test.loop, Shell("exit 0")));
  REQUIRE(test.Wait([&] { return old.gone(); }));
  const pid_t pid = old.child->pid();
  for (int i = 0; i < 50 && (!heir.child || heir.child->pid() != pid); ++i) {
    if (!SetNextPid(pid)) break;
    heir.child.reset();
    REQUIRE(heir.Start(test.loop, SpecOf({"cat"})));
  }
  if (!heir.child || heir.child->pid() != pid) {
    WARN("process ids cannot be chosen here, so that no heir was made");
  }

  old.child->Signal(SIGKILL);
  old.child->SignalGroup(SIGKILL);

  CHECK(old.gone_count == 1);
  if (!heir.child) return;
  heir.child->Write("alive");
  heir.child->CloseStdin();
  REQUIRE(test.Wait([&] { return heir.gone(); }));
  CHECK(heir.out == "alive");
  CHECK(heir.status->ToString() == "exit 0");
}

TEST_CASE("a group that is no more is not signalled when somebody else got its number", "[io]") {
  TestLoop test;
  Recorded old;
  Recorded heir;
  bool tried = false;
  ChildEvents events = old.Events();
  // What holds stdout has left the group: it is empty, and the end of the child not told yet.
  events.on_gone = [&](const ExitStatus& how) {
    const pid_t pid = old.child->pid();
    if (SetNextPid(pid)) tried = heir.Start(test.loop, SpecOf({"cat"}));
    tried = tried && heir.child->pid() == pid;
    old.child->SignalGroup(SIGKILL);
    old.status = how;
  };
  auto started = Child::Spawn(test.loop, Shell("setsid sleep 30 & echo $!"), std::move(events));
  REQUIRE(started);
  old.child = std::move(*started);
  REQUIRE(test.Wait([&] { return old.gone(); }));
  ::kill(std::stoi(old.out), SIGKILL);

  if (!tried) WARN("process ids cannot be chosen here, so that no heir was made");
  if (!heir.child) return;
  heir.child->Write("alive");
  heir.child->CloseStdin();
  REQUIRE(test.Wait([&] { return heir.gone(); }));
  CHECK(heir.out == "alive");
}

TEST_CASE("a hundred children leave no descriptor behind", "[io]") {
  TestLoop test;
  {
    Recorded first;
    REQUIRE(first.Start(test.loop, Shell("echo x")));
    REQUIRE(test.Wait([&] { return first.gone(); }));
  }
  test.loop.Run();
  const std::size_t before = CountDescriptors();
  for (int i = 0; i < 100; ++i) {
    Recorded seen;
    REQUIRE(seen.Start(test.loop, i % 2 == 0 ? SpecOf({"true"}) : SpecOf({"no-such-command"})));
    REQUIRE(test.Wait([&] { return seen.gone(); }));
    REQUIRE(seen.gone_count == 1);
  }
  test.loop.Run();

  CHECK(CountDescriptors() == before);
}

}  // namespace workmand::io
