#include "daemon/io/orphans.h"

#include <algorithm>
#include <csignal>
#include <map>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "tests/unit/io/harness.h"

namespace workmand::io {
namespace {

struct Reaped {
  std::map<pid_t, std::string> how;
  OrphanReaper reaper;

  explicit Reaped(Loop& loop)
      : reaper(loop,
               [this](pid_t pid, const ExitStatus& status) { how[pid] = status.ToString(); }) {}
};

}  // namespace

TEST_CASE("what a child leaves behind is reaped when it ends and keeps its status", "[io][bare]") {
  TestLoop test;
  Reaped reaped(test.loop);
  Recorded worker;
  // It ends once it has another parent: before that the shell could reap it itself.
  REQUIRE(worker.Start(
      test.loop,
      Shell("sh -c 'while grep -q \"^PPid:.'$$'$\" /proc/$$/status; do :; done; exit 3' & "
            "echo $!; exit 5")));
  REQUIRE(test.Wait([&] { return worker.gone(); }));
  const pid_t orphan = std::stoi(worker.out);

  REQUIRE(test.Wait([&] { return reaped.how.contains(orphan); }));

  CHECK(worker.status->ToString() == "exit 5");
  CHECK(reaped.how.size() == 1);
  CHECK(::waitpid(orphan, nullptr, WNOHANG) == -1);
}

TEST_CASE("an orphan that had ended before its parent is reaped as well", "[io]") {
  TestLoop test;
  Reaped reaped(test.loop);
  Recorded worker;
  // The shell becomes a program that does not wait for the child it has.
  REQUIRE(worker.Start(
      test.loop,
      Shell("sh -c 'until grep -qx cat /proc/'$$'/comm; do :; done; exit 7' & echo $!; exec cat")));
  REQUIRE(test.Wait([&] { return worker.out.ends_with('\n'); }));
  const pid_t orphan = std::stoi(worker.out);
  Recorded ended;
  REQUIRE(ended.Start(test.loop, Shell("until grep -q '^State:.Z' /proc/" + std::to_string(orphan) +
                                       "/status; do :; done")));
  REQUIRE(test.Wait([&] { return ended.gone(); }));
  CHECK(reaped.how.empty());

  worker.child->CloseStdin();

  REQUIRE(test.Wait([&] { return reaped.how.contains(orphan) && worker.gone(); }));
  CHECK(reaped.how[orphan] == "exit 7");
  CHECK(worker.status->ToString() == "exit 0");
}

TEST_CASE("the reaper leaves the status of every child to its owner", "[io]") {
  TestLoop test;
  Reaped reaped(test.loop);
  std::vector<Recorded> children(30);
  for (std::size_t i = 0; i < children.size(); ++i) {
    REQUIRE(children[i].Start(test.loop, Shell("exit " + std::to_string(i))));
  }

  REQUIRE(test.Wait([&] {
    return std::all_of(children.begin(), children.end(),
                       [](const Recorded& child) { return child.gone(); });
  }));

  CHECK(reaped.how.empty());
  for (std::size_t i = 0; i < children.size(); ++i) {
    CHECK(children[i].status->ToString() == "exit " + std::to_string(i));
  }
}

TEST_CASE("a child that ended before there was a reaper is found at once", "[io]") {
  TestLoop test;
  const pid_t inherited = ::fork();
  if (inherited == 0) ::_exit(4);
  siginfo_t info{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(inherited), &info, WEXITED | WNOWAIT) == 0);

  const Reaped reaped(test.loop);

  CHECK(reaped.how.at(inherited) == "exit 4");
}

}  // namespace workmand::io
