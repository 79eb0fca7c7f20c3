#include <csignal>

#include <catch2/catch.hpp>

#include "daemon/io/child.h"

namespace workmand::io {

TEST_CASE("an exit status says how the process ended", "[io]") {
  CHECK(ExitStatus{3, 0, ""}.ToString() == "exit 3");
  CHECK(ExitStatus{0, SIGABRT, ""}.ToString() == "signal 6 (SIGABRT)");
  CHECK(ExitStatus{0, SIGKILL, ""}.ToString() == "signal 9 (SIGKILL)");
  CHECK(ExitStatus{127, 0, "No such file or directory"}.ToString() ==
        "cannot execute: No such file or directory");
}

TEST_CASE("a signal without a name is told by its number", "[io]") {
  CHECK(ExitStatus{0, 40, ""}.ToString() == "signal 40");
}

}  // namespace workmand::io
