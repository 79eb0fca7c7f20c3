#include "daemon/profile/paths.h"

#include <unistd.h>

#include <catch2/catch.hpp>

#include "daemon/profile/machine.h"
#include "tests/unit/profile/support.h"

namespace workmand::test {
namespace {

std::string TmpSocket() {
  return "/tmp/workman-" + std::to_string(getuid()) + "/a.sock";
}

}  // namespace

TEST_CASE("the control socket is in the first runtime folder that is named", "[profile]") {
  CHECK(DefaultControlSocket("a", {{"RUNTIME_DIRECTORY", "/run/workman"},
                                   {"XDG_RUNTIME_DIR", "/run/user/7"}}) == "/run/workman/a.sock");
  CHECK(DefaultControlSocket("a", {{"RUNTIME_DIRECTORY", "/run/x:/run/y"}}) == "/run/x/a.sock");
  CHECK(DefaultControlSocket("a", {{"XDG_RUNTIME_DIR", "/run/user/7"}}) ==
        "/run/user/7/workman/a.sock");
  CHECK(DefaultControlSocket("a", {}) == TmpSocket());
  CHECK(DefaultControlSocket("a", {{"XDG_RUNTIME_DIR", ""}}) == TmpSocket());
  CHECK(DefaultControlSocket("a", {{"XDG_RUNTIME_DIR", "relative"}}) == TmpSocket());
}

TEST_CASE("the control socket is looked for where a daemon may have put it", "[profile]") {
  CHECK(ControlSocketCandidates("a", {{"XDG_RUNTIME_DIR", "/run/user/7"}}) ==
        Lines{"/run/workman/a.sock", "/run/user/7/workman/a.sock", TmpSocket()});
  CHECK(ControlSocketCandidates("a", {}) == Lines{"/run/workman/a.sock", TmpSocket()});
}

TEST_CASE("the state folder is in the first place that is named", "[profile]") {
  Environment environment = {{"STATE_DIRECTORY", "/var/lib/workman"},
                             {"XDG_STATE_HOME", "/home/ann/state"},
                             {"HOME", "/home/ann"}};
  CHECK(DefaultStateDir(environment) == "/var/lib/workman");
  environment.erase("STATE_DIRECTORY");
  CHECK(DefaultStateDir(environment) == "/home/ann/state/workman");
  environment.erase("XDG_STATE_HOME");
  CHECK(DefaultStateDir(environment) == "/home/ann/.local/state/workman");
  environment.erase("HOME");
  CHECK(DefaultStateDir(environment) == "/var/lib/workman");
}

TEST_CASE("the CPU quota of cgroup v2 is the least on the way to the root", "[profile]") {
  TempFolder root;
  root.Write("a/cpu.max", "350000 100000\n");
  root.Write("a/b/cpu.max", "max 100000\n");
  root.Write("c/cpu.max", "150000 100000\n");
  root.Write("d/cpu.max", "1000 100000\n");

  CHECK(CgroupCpus(root.path(), "0::/a/b\n") == 4);
  CHECK(CgroupCpus(root.path(), "0::/c\n") == 2);
  CHECK(CgroupCpus(root.path(), "0::/d\n") == 1);
  CHECK_FALSE(CgroupCpus(root.path(), "0::/none\n"));
  CHECK_FALSE(CgroupCpus(root.path(), "0::/\n"));
  CHECK_FALSE(CgroupCpus(root.path(), ""));
}

TEST_CASE("the CPU quota of cgroup v1 is found by its controller", "[profile]") {
  TempFolder root;
  root.Write("cpu,cpuacct/x/cpu.cfs_quota_us", "200000\n");
  root.Write("cpu,cpuacct/x/cpu.cfs_period_us", "100000\n");
  root.Write("cpu/cpu.cfs_quota_us", "-1\n");
  root.Write("cpu/cpu.cfs_period_us", "100000\n");

  CHECK(CgroupCpus(root.path(), "4:memory:/x\n3:cpu,cpuacct:/x\n0::/\n") == 2);
  CHECK_FALSE(CgroupCpus(root.path(), "1:cpu:/\n"));
  CHECK_FALSE(CgroupCpus(root.path(), "5:cpuset:/x\n"));
}

TEST_CASE("this machine has at least one CPU", "[profile]") {
  CHECK(AllowedCpus() >= 1);
}

}  // namespace workmand::test
