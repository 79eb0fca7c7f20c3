// --set, ${VAR} and the environment of workers.
#include <catch2/catch.hpp>

#include "daemon/profile/env_file.h"
#include "daemon/profile/expand.h"
#include "tests/unit/profile/support.h"

namespace workmand::test {

TEST_CASE("an override wins over the file and a later one over an earlier one", "[profile]") {
  const std::string text = "command: [sh]\nnice: 1\nlog: {level: warn, format: json}\n";

  const Profile profile =
      Good(text, {{"nice", "2"}, {"nice", "3"}, {"log.level", "debug"}, {"max_workers", "9"}});

  CHECK(profile.nice == 3);
  CHECK(profile.log.level == log::Level::kDebug);
  CHECK(profile.log.format == log::Format::kJson);
  CHECK(profile.max_workers == 9);
}

TEST_CASE("an override is YAML of any shape", "[profile]") {
  const Profile profile = Good(kMinimal, {{"command", "[perl, w.pl]"},
                                          {"tasks.Resize", "{limit: 2}"},
                                          {"tasks.Resize.max_attempts", "4"},
                                          {"tasks.\"a.b\".limit", "1"},
                                          {"queue.url", "redis://h:1/2"},
                                          {"config", "{a: [1]}"},
                                          {"env.A", "'1'"},
                                          {"name", ""}});

  CHECK(profile.command == Lines{"perl", "w.pl"});
  CHECK(profile.tasks.at("Resize") == TaskOptions{{}, 4, 2});
  CHECK(profile.tasks.at("a.b").limit == 1);
  CHECK(profile.queue.extra.at("url").text == "redis://h:1/2");
  CHECK(profile.config_json == R"({"a":[1]})");
  CHECK(profile.env.at("A") == "1");
  CHECK(profile.name == "a");
}

TEST_CASE("a mapping as an override replaces the whole mapping", "[profile]") {
  const Profile profile =
      Good("command: [sh]\nlog: {level: warn, format: json}\n", {{"log", "{level: debug}"}});

  CHECK(profile.log.level == log::Level::kDebug);
  CHECK(profile.log.format == log::Format::kText);
}

TEST_CASE("an override with either spelling replaces the other spelling", "[profile]") {
  CHECK(Good("command: [sh]\nmax_reqs_par_child: 7\n", {{"max_reqs_per_child", "8"}})
            .max_reqs_per_child == 8);
  CHECK(Good("command: [sh]\nmax_reqs_per_child: 7\n", {{"max_reqs_par_child", "8"}})
            .max_reqs_per_child == 8);
}

TEST_CASE("an override mends a bad value of the file", "[profile]") {
  CHECK(Good("command: [sh]\nmax_workers: ${NOWHERE}\n", {{"max_workers", "2"}}).max_workers == 2);
}

TEST_CASE("an error in an override names the override", "[profile]") {
  const auto error = [](const std::string& key, const std::string& value) {
    const Lines errors = Errors(kMinimal, {{key, value}});
    return errors.size() == 1 ? errors.front() : "not one error";
  };

  CHECK(error("max_workers", "0") == "--set max_workers=0: must be at least 1 (got 0)");
  CHECK(error("max_wrokers", "3") ==
        "--set max_wrokers=3: unknown key; did you mean 'max_workers'?");
  CHECK(error("log.levl", "x") == "--set log.levl=x: unknown key; did you mean 'log.level'?");
  CHECK(error("tasks", "{A: {limit: -1}}") ==
        "--set tasks={A: {limit: -1}}: tasks.A.limit: must be at least 0 (got -1)");
  CHECK(error("tasks", "{A: {limit: 1, limit: 2}}") ==
        "--set tasks={A: {limit: 1, limit: 2}}: tasks.A.limit: is given twice");
  CHECK(error("nice", "[1") == "--set nice=[1: is not valid YAML: end of sequence flow not found");
  CHECK(error("nice", "${NOWHERE}") ==
        "--set nice=${NOWHERE}: the environment variable NOWHERE is not set");
  CHECK(error("command.x", "1") == "--set command.x=1: command: has no keys of its own");
  CHECK(error("a..b", "1") == "--set a..b=1: must be --set key=value or --set key.key=value");
  CHECK(error("", "1") == "--set =1: must be --set key=value or --set key.key=value");
  CHECK(error("mode", "exe") == "--set mode=exe: must be one of protocol, exec, lines (got 'exe')");
  CHECK(error("queue", "redis://u:secret@h") ==
        "--set queue=redis://u:***@h: must be a mapping (got a single value)");
}

TEST_CASE("variables are replaced in values and not in keys", "[profile]") {
  const Profile profile = Good(R"(
command: [sh, -c, 'echo $1 $HOME $$ ${PLACE}']
max_workers: ${FOUR}
nice: ${MISSING:-7}
env: {"${PLACE}": "${PLACE}-${EMPTY:-none}-${EMPTY}"}
queue: {path: "${HOME}/$${PLACE}.db", prefix: "${MISSING:-}"}
)");

  CHECK(profile.command.back() == "echo $1 $HOME $ north");
  CHECK(profile.max_workers == 4);
  CHECK(profile.nice == 7);
  CHECK(profile.env.at("${PLACE}") == "north-none-");
  CHECK(profile.queue.extra.at("path").text == "/home/ann/${PLACE}.db");
  CHECK(profile.queue.prefix.empty());
}

TEST_CASE("a variable that is not set is an error with its name", "[profile]") {
  CHECK(Errors("command: [sh, '${NOWHERE}']\nqueue:\n  path: x${ELSEWHERE}y\n  db: ${NOT\n") ==
        Lines{"conf/a.yaml:3:9: queue.path: the environment variable ELSEWHERE is not set",
              "conf/a.yaml:4:7: queue.db: '${' has no '}'; write $$ for a dollar sign"});
  CHECK(ErrorsIn(Parse("command: [sh, '${NOWHERE}']\nworking_directory: /\n")) ==
        Lines{"conf/a.yaml:1:15: command[1]: the environment variable NOWHERE is not set"});
}

TEST_CASE("a program that starts no worker needs no variables of workers", "[profile]") {
  const Profile profile = Good("command: [sh]\nenv: {KEY: '${NOWHERE}'}\nconfig: {k: '${NO}'}\n");

  CHECK(profile.env.at("KEY") == "${NOWHERE}");
}

TEST_CASE("what is no reference to a variable is refused", "[profile]") {
  for (const std::string text : {"${}", "${1A}", "${A B}", "${A-b}", "${:-b}"}) {
    const auto expanded = ExpandVariables(text, {{"A", "x"}});
    REQUIRE_FALSE(expanded);
    CHECK(expanded.error().message ==
          "'" + text + "' is not ${NAME} or ${NAME:-default}; write $$ for a dollar sign");
  }
}

TEST_CASE("a dollar sign alone stands for itself", "[profile]") {
  CHECK(ExpandVariables("$A $1 $ 5$", {{"A", "x"}}).value() == "$A $1 $ 5$");
  CHECK(ExpandVariables("$$A $${A} $$$$ $${", {}).value() == "$A ${A} $$ ${");
  CHECK(ExpandVariables("${A}${A}", {{"A", "$${B}"}}).value() == "$${B}$${B}");
}

TEST_CASE("an env file is lines of names and values", "[profile]") {
  const EnvFile file = ParseEnvFile(
      "# comment\n\nA=1\n  B = two words  \r\nC=\"quo ted # not a comment\"\nD='${A}'\nE=\nA=2\n"
      "F=a=b");

  CHECK(file.problems.empty());
  CHECK(file.variables == std::map<std::string, std::string>{{"A", "2"},
                                                             {"B", "two words"},
                                                             {"C", "quo ted # not a comment"},
                                                             {"D", "${A}"},
                                                             {"E", ""},
                                                             {"F", "a=b"}});
}

TEST_CASE("env wins over env_file and errors name the file and line", "[profile]") {
  TempFolder folder;
  folder.Write("good.env", "A=file\nB=file\n");
  folder.Write("bad.env", "A=1\nexport B\n2C=1\nD=\"x\nE=\"\n");
  const std::string profile = folder.Write("p.yaml", kMinimal);
  const auto load = [&](const std::string& rest) {
    return ParseProfile(kMinimal + rest, profile, MakeOptions());
  };

  const LoadedProfile good = load("env_file: good.env\nenv: {A: profile}\n");
  CHECK(ErrorsIn(good).empty());
  CHECK(good.profile.env == std::map<std::string, std::string>{{"A", "profile"}, {"B", "file"}});

  const std::string file = folder.path() + "/bad.env";
  CHECK(ErrorsIn(load("env_file: bad.env\n")) ==
        Lines{file + ":2: must be NAME=value, a comment or empty",
              file + ":3: what stands before '=' is no name for an environment variable",
              file + ":4: this quote is never closed", file + ":5: this quote is never closed"});
  CHECK(ErrorsIn(load("env_file: none.env\n")) ==
        Lines{profile + ":2:11: env_file: 'none.env' cannot be read: No such file or directory"});
}

}  // namespace workmand::test
