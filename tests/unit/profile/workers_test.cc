// What the loader asks the system before workers are started.
#include <unistd.h>

#include <catch2/catch.hpp>

#include "tests/unit/profile/support.h"

namespace workmand::test {
namespace {

void MakeExecutable(const std::string& path) {
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
}

/// Loads a profile that lies in `folder`.
Lines ErrorsBelow(const TempFolder& folder, const std::string& text) {
  return ErrorsIn(ParseProfile(text, folder.path() + "/p.yaml", MakeOptions()));
}

}  // namespace

TEST_CASE("a program without a slash is looked for in the PATH of the workers", "[profile]") {
  TempFolder folder;
  MakeExecutable(folder.Write("bin/worker", "#!/bin/sh\n"));
  folder.Write("bin/data", "no program\n");
  const std::string at = folder.path() + "/p.yaml:1:10: ";

  CHECK(ErrorsBelow(folder, "command: [sh]\n").empty());
  CHECK(ErrorsBelow(folder, "command: [worker]\n") ==
        Lines{at + "command: 'worker' not found in PATH"});
  CHECK(ErrorsBelow(folder, "command: [worker]\nenv: {PATH: '/nowhere:bin'}\n").empty());
  CHECK(ErrorsBelow(folder, "command: [sh]\nenv: {PATH: bin}\n") ==
        Lines{at + "command: 'sh' not found in PATH"});
  CHECK(ErrorsBelow(folder, "command: [data]\nenv: {PATH: bin}\n") ==
        Lines{at + "command: 'data' not found in PATH"});
}

TEST_CASE("a program with a slash starts at the working directory", "[profile]") {
  TempFolder folder;
  MakeExecutable(folder.Write("bin/worker", "#!/bin/sh\n"));
  folder.Write("bin/data", "no program\n");
  const std::string at = folder.path() + "/p.yaml:1:10: ";

  CHECK(ErrorsBelow(folder, "command: [bin/worker]\n").empty());
  CHECK(ErrorsBelow(folder, "command: [./worker]\nworking_directory: bin\n").empty());
  CHECK(ErrorsBelow(folder, "command: [/bin/sh]\n").empty());
  CHECK(ErrorsBelow(folder, "command: [./worker]\n") ==
        Lines{at + "command: './worker' cannot be run: No such file or directory"});
  CHECK(ErrorsBelow(folder, "command: [bin/data]\n") ==
        Lines{at + "command: 'bin/data' is not executable"});
  CHECK(ErrorsBelow(folder, "command: [./bin]\n") ==
        Lines{at + "command: './bin' is a folder, not a program"});
  CHECK(ErrorsBelow(folder, "command: [/dev/null]\n") ==
        Lines{at + "command: '/dev/null' is not a file"});
}

TEST_CASE("the working directory must be there", "[profile]") {
  TempFolder folder;

  CHECK(ErrorsBelow(folder, "command: [sh]\nworking_directory: none\n") ==
        Lines{folder.path() + "/p.yaml:2:20: working_directory: '" + folder.path() +
              "/none' is not a folder"});
}

TEST_CASE("a user must exist and needs root", "[profile]") {
  TempFolder folder;
  const std::string file = folder.path() + "/p.yaml";
  const std::string not_root =
      "needs root (workmand runs as user id " + std::to_string(geteuid()) + ")";
  const auto expected = [&](Lines lines, const std::string& place_and_key) {
    if (geteuid() != 0) lines.push_back(file + place_and_key + not_root);
    return lines;
  };

  CHECK(ErrorsBelow(folder, "command: [sh]\nuser: no-such-user\n") ==
        expected({file + ":2:7: user: there is no user 'no-such-user' on this system"},
                 ":2:7: user: "));
  CHECK(ErrorsBelow(folder, "command: [sh]\ngroup: no-such-group\n") ==
        expected({file + ":2:8: group: there is no group 'no-such-group' on this system"},
                 ":2:8: group: "));
  CHECK(ErrorsBelow(folder, "command: [sh]\nuser: root\n") == expected({}, ":2:7: user: "));
}

TEST_CASE("a program that starts no worker does not look for one", "[profile]") {
  CHECK(Errors("command: [no-such-program]\nworking_directory: /none\nuser: no-such-user\n"
               "env_file: none.env\n")
            .empty());
}

}  // namespace workmand::test
