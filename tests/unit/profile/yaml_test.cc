// What is wrong with a profile before any key is looked at.
#include <catch2/catch.hpp>

#include "daemon/profile/yaml_text.h"
#include "tests/unit/profile/support.h"

namespace workmand::test {

TEST_CASE("a file that is no YAML is refused at the place where it breaks", "[profile]") {
  CHECK(Errors("a: [1\nb: 2\n") ==
        Lines{"conf/a.yaml:2:2: is not valid YAML: end of sequence flow not found"});
  CHECK(Errors("name: a\n\tnice: 2\n") ==
        Lines{"conf/a.yaml:2:1: is not valid YAML: illegal tab when looking for indentation"});
  CHECK(Errors("name: *nothing\n") ==
        Lines{"conf/a.yaml:1:7: is not valid YAML: the referenced anchor is not defined"});
  CHECK(Errors("command: [sh]\nname: \"a\n") ==
        Lines{"conf/a.yaml:2:7: this quote is never closed"});
  CHECK(Errors("command: [sh]\nname: 'it''s\n") ==
        Lines{"conf/a.yaml:2:7: this quote is never closed"});
  CHECK(Errors("queue: {path: ${PLACE}}\n") ==
        Lines{"conf/a.yaml:1:16: is not valid YAML: end of map flow not found; inside { } and "
              "[ ], put quotes around ${VAR}"});
}

TEST_CASE("what YAML allows and a profile does not is refused", "[profile]") {
  CHECK(Errors("- a\n") ==
        Lines{"conf/a.yaml:1:1: must be a mapping of keys to values, such as 'max_workers: 4'"});
  CHECK(Errors("hello\n") ==
        Lines{"conf/a.yaml:1:1: must be a mapping of keys to values, such as 'max_workers: 4'"});
  CHECK(Errors("name: a\n---\nname: b\n") ==
        Lines{"conf/a.yaml:2:1: must be one YAML document, and this is a second one"});
  CHECK(Errors("[a]: 1\n") == Lines{"conf/a.yaml:1:1: a key must be one word"});
  CHECK(Errors("a: &x {b: 1}\nc:\n  <<: *x\n") ==
        Lines{"conf/a.yaml:3:3: merge keys ('<<') are not supported"});
  CHECK(Errors("a: &x [*x]\n") ==
        Lines{"conf/a.yaml:1:8: an alias cannot be inside what it stands for"});
  CHECK(Errors("name: !secret a\n") ==
        Lines{"conf/a.yaml:1:7: the YAML tag '!secret' is not known here"});
  CHECK(Errors("name: \"a\\0b\"\n") ==
        Lines{"conf/a.yaml:1:7: a value cannot hold a NUL character"});
  CHECK(Errors("name: a\nnice: \x04 5\n") ==
        Lines{"conf/a.yaml:2:7: is not valid YAML: a control character"});
  CHECK(Errors("name: \"a\\_b\"\n") == Lines{"conf/a.yaml:1:7: a value must be UTF-8 text"});
  CHECK(Errors("name: \xff\n") == Lines{"conf/a.yaml: is not UTF-8 text"});
}

TEST_CASE("aliases that multiply are stopped", "[profile]") {
  std::string text = "a: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    text += "b" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int n = 0; n < 9; ++n) text += before + ", ";
    text += before + "]\n";
  }

  const YamlText parsed = ParseYaml(text, 0);

  REQUIRE(parsed.problem);
  CHECK(parsed.problem->sentence == "holds too many values");
}

TEST_CASE("nesting without end is stopped", "[profile]") {
  const YamlText parsed = ParseYaml("a: " + std::string(100'000, '['), 0);

  REQUIRE(parsed.problem);
  CHECK(parsed.problem->sentence.find("is not valid YAML") == 0);
}

TEST_CASE("an alias is the value that it stands for", "[profile]") {
  const Profile profile = Good("command: [sh]\ntasks:\n  A: &slow {time_limit: 5m}\n  B: *slow\n");

  CHECK(profile.tasks.at("B").time_limit == std::chrono::minutes(5));
}

TEST_CASE("a file with a byte order mark or with CRLF is read", "[profile]") {
  CHECK(Good("\xef\xbb\xbfname: a\r\ncommand: [sh]\r\n").name == "a");
}

TEST_CASE("a file that cannot be read is an error with the reason", "[profile]") {
  TempFolder folder;

  CHECK(ErrorsIn(LoadProfile("/nowhere/a.yaml", MakeOptions())) ==
        Lines{"/nowhere/a.yaml: cannot be read: No such file or directory"});
  CHECK(ErrorsIn(LoadProfile(folder.path(), MakeOptions())) ==
        Lines{folder.path() + ": cannot be read: Is a directory"});
  CHECK(ErrorsIn(LoadProfile("/dev/zero", MakeOptions())) ==
        Lines{"/dev/zero: cannot be read: it is larger than 4MiB"});
}

}  // namespace workmand::test
