#include <csignal>
#include <fstream>
#include <limits>
#include <sys/resource.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "daemon/io/launcher.h"
#include "tests/unit/io/harness.h"

namespace workmand::io {
namespace {

/// What a child of this specification prints until its end; "cannot execute" texts included.
std::string OutputOf(const ChildSpec& spec) {
  TestLoop test;
  Recorded seen;
  if (!seen.Start(test.loop, spec)) return "not started";
  seen.child->CloseStdin();
  if (!test.Wait([&] { return seen.gone(); })) return "still running";
  return seen.status->exec_error.empty() ? seen.out : seen.status->ToString();
}

}  // namespace

TEST_CASE("limits niceness mask and folder are those of the specification", "[io]") {
  ChildSpec spec = Shell("ulimit -Sn; ulimit -Hn; nice; umask; pwd");
  spec.rlimits["nofile"] = 123;
  spec.nice = 7;
  spec.umask = 0027;
  spec.working_directory = "/usr";

  CHECK(OutputOf(spec) == "123\n123\n7\n0027\n/usr\n");
}

TEST_CASE("the protocol can lie beside stdio", "[io]") {
  TestLoop test;
  Recorded seen;
  ChildSpec spec = Shell(
      "read line <&3; echo \"got $line\" >&4; echo out; echo err >&2; read rest || echo empty; "
      "ls -l /proc/self/fd | grep -c ' [5-9] ->'");
  spec.channel = ChildSpec::Channel::kExtra;
  REQUIRE(seen.Start(test.loop, spec));
  seen.child->Write("hello\n");
  seen.child->CloseStdin();

  REQUIRE(test.Wait([&] { return seen.gone(); }));

  CHECK(seen.out == "got hello\n");
  // The listing itself holds one more open.
  CHECK(seen.err == "out\nerr\nempty\n1\n");
}

TEST_CASE("what goes nowhere takes stdout along when the protocol lies beside it", "[io]") {
  TestLoop test;
  Recorded seen;
  ChildSpec spec = Shell("echo out; echo err >&2; stat -c %F -L /proc/self/fd/2 >&4");
  spec.channel = ChildSpec::Channel::kExtra;
  spec.stderr_mode = ChildSpec::Stderr::kNull;
  REQUIRE(seen.Start(test.loop, spec));

  REQUIRE(test.Wait([&] { return seen.gone(); }));

  CHECK(seen.err.empty());
  CHECK(seen.out == "character special file\n");
}

TEST_CASE("no core is dumped unless the specification says so", "[io]") {
  ChildSpec spec = Shell("ulimit -Sc");
  CHECK(OutputOf(spec) == "0\n");

  spec.rlimits["core"] = std::numeric_limits<std::uint64_t>::max();
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_CORE, &limit) == 0);
  if (limit.rlim_max == RLIM_INFINITY || ::geteuid() == 0) CHECK(OutputOf(spec) == "unlimited\n");
}

TEST_CASE("a child gets the limit of open files that the daemon was started with", "[io]") {
  rlimit saved{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &saved) == 0);
  rlimit low = saved;
  low.rlim_cur = 200;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &low) == 0);

  const std::uint64_t original = RaiseFileLimit();
  rlimit raised{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &raised) == 0);
  ChildSpec spec = Shell("ulimit -Sn");
  spec.soft_file_limit = original;
  const std::string seen = OutputOf(spec);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &saved) == 0);

  CHECK(original == 200);
  CHECK(raised.rlim_cur == raised.rlim_max);
  CHECK(seen == "200\n");
}

TEST_CASE("the environment is the given one and PATH is taken from it", "[io]") {
  const TempFolder folder;
  const std::string command = folder.path + "/only-here";
  std::ofstream(command) << "#!/bin/sh\n/usr/bin/env\n";
  std::filesystem::permissions(command, std::filesystem::perms::owner_all);
  ChildSpec spec = SpecOf({"only-here"});
  spec.env = {"PATH=" + folder.path, "GREETING=hello world"};

  const std::string seen = OutputOf(spec);

  CHECK(seen.find("GREETING=hello world\n") != std::string::npos);
  CHECK(seen.find("HOME=") == std::string::npos);
}

TEST_CASE("a child starts with default signals and none blocked", "[io]") {
  sigset_t blocked;
  sigset_t before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  sigaddset(&blocked, SIGRTMIN + 3);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  std::signal(SIGRTMIN + 4, SIG_IGN);

  std::string seen = OutputOf(SpecOf({"grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"}));
  std::signal(SIGRTMIN + 4, SIG_DFL);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);

  // 32 and 33 belong to the C library, which lets no program set them; whoever started the tests
  // may have left either of them ignored.
  const std::string name = "SigIgn:\t";
  const auto at = seen.find(name);
  REQUIRE(at != std::string::npos);
  const std::uint64_t kept_by_libc = (std::uint64_t{1} << 31) | (std::uint64_t{1} << 32);
  const std::uint64_t ignored = std::stoull(seen.substr(at + name.size()), nullptr, 16);
  CHECK((ignored & ~kept_by_libc) == 0);
  CHECK(seen.substr(0, at) == "SigBlk:\t0000000000000000\n");
}

TEST_CASE("a step that fails names itself and its reason", "[io]") {
  ChildSpec no_folder = Shell("true");
  no_folder.working_directory = "/no/such/folder";
  ChildSpec no_user = Shell("true");
  no_user.user = "no-such-user";
  ChildSpec no_limit = Shell("true");
  no_limit.rlimits["nonsense"] = 1;

  CHECK(OutputOf(no_folder) == "cannot execute: chdir /no/such/folder: No such file or directory");
  CHECK(OutputOf(no_user) == "cannot execute: no such user: no-such-user");
  CHECK(OutputOf(no_limit) == "cannot execute: unknown limit: nonsense=1:1");
}

TEST_CASE("user and group are changed and no right of root is left", "[io]") {
  if (::geteuid() != 0) {
    WARN("changing the user needs root");
    return;
  }
  ChildSpec spec = Shell("id -un; id -gn; id -Gn; grep CapEff /proc/self/status");
  spec.working_directory = "/";
  spec.user = "nobody";
  CHECK(OutputOf(spec) == "nobody\nnogroup\nnogroup\nCapEff:\t0000000000000000\n");

  spec.group = "daemon";
  CHECK(OutputOf(spec).starts_with("nobody\ndaemon\ndaemon"));
  spec.user = "65534";
  CHECK(OutputOf(spec).starts_with("nobody\ndaemon\n"));
}

TEST_CASE("the launcher explains itself and refuses wrong usage", "[io]") {
  TestLoop test;
  Recorded help;
  Recorded wrong;
  REQUIRE(help.Start(test.loop, SpecOf({BINARY_DIR "/bin/workmand-launch", "--help"})));
  REQUIRE(wrong.Start(test.loop, SpecOf({BINARY_DIR "/bin/workmand-launch", "--what", "1"})));

  REQUIRE(test.Wait([&] { return help.gone() && wrong.gone(); }));

  CHECK(help.out.starts_with("usage: workmand-launch [OPTION...] -- COMMAND [ARG...]\n"));
  CHECK(help.status->code == 0);
  CHECK(wrong.err == "workmand-launch: unknown option: --what\n");
  CHECK(wrong.status->code == 64);
}

TEST_CASE("the launcher is found beside the daemon or in libexec", "[io]") {
  const TempFolder folder;
  std::filesystem::create_directories(folder.path + "/bin");
  std::filesystem::create_directories(folder.path + "/libexec/workman");
  const std::string installed = folder.path + "/libexec/workman/workmand-launch";
  const std::string beside = folder.path + "/bin/workmand-launch";
  const auto make = [](const std::string& path) {
    std::ofstream(path) << "#!/bin/sh\n";
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  };
  CHECK(FindLauncherFrom(folder.path + "/bin").empty());

  make(installed);
  CHECK(FindLauncherFrom(folder.path + "/bin") == installed);

  make(beside);
  CHECK(FindLauncherFrom(folder.path + "/bin") == beside);
}

}  // namespace workmand::io
