#include <catch2/catch.hpp>

#include "tests/unit/profile/support.h"

namespace workmand::test {
namespace {

/// Everything that needs care when it is written down again.
const std::string kAwkward = R"(
name: thumbs
command: [python3, "w.py", "", "true", "5", "a b",
          "it's \"q\" \\ $$x", "- a", "#", "{", "null", "~", "\e\n\t"]
env: {A: "", B: "$${PLACE}", "odd key $x": "1", T: "yes: no"}
nice: -3
rlimits: {nofile: 4096, stack: unlimited, as: 2GiB}
config: {"$$ref": "$$5", "nested": [{"a:b": null}], url: "http://h/p", "q\"": "\\", "5": 1.50}
max_workers: 4
min_workers: 2
graceful_restart_timeout: infinity
time_limit: 1.5s
prefetch: 7
retry_backoff: {min: 250ms, max: 90s, factor: 1.7, jitter: 0.333}
log: {file: /var/log/with blank.log}
queue: {driver: gearman, prefix: "p:", job_servers: ["h:1", h2],
        "odd $k": "$$v", empty: "", none: []}
tasks: {Resize: {time_limit: 5m, max_attempts: 10, limit: 0}, "My::Job $1": {}, "a.b": {limit: 1}}
admin: {socket: /run/a.sock, show_args: true}
)";

}  // namespace

TEST_CASE("a printed profile loads again to an equal one", "[profile]") {
  for (const std::string& text : {std::string(kMinimal), kAwkward}) {
    const Profile profile = Good(text);
    const std::string printed = PrintProfile(profile);
    INFO(printed);

    CHECK(Good(printed) == profile);
    CHECK(PrintProfile(Good(printed)) == printed);
  }
}

TEST_CASE("the effective profile shows defaults and nests its keys", "[profile]") {
  const std::string printed = PrintProfile(
      Good("command: [sh, -c, 'exit 0']\nname: a\nmax_workers: 2\ntasks: {A: {limit: 1}}\n"));

  for (const std::string part :
       {"name: a\ncommand: [sh, \"-c\", \"exit 0\"]\n", "env: {}\n", "\nmax_workers: 2\n",
        "\nmin_workers: 2\n",
        "\nrespawn_backoff:\n  min: 100ms\n  max: 30s\nmax_start_failures: 5\n",
        "\nmax_reqs_per_child_jitter: 10%\n", "\nprefetch: auto\n",
        "\nlog:\n  level: info\n  format: text\n  file: \"\"\n",
        "\nqueue:\n  driver: sqlite\n  prefix: \"\"\n", "\ntasks:\n  A: {limit: 1}\n",
        "\nadmin:\n  socket: /run/user/7/workman/a.sock\n  show_args: false\n"}) {
    INFO(part);
    CHECK(printed.find(part) != std::string::npos);
  }
}

TEST_CASE("a password in a URL is masked and the rest of the URL is not", "[profile]") {
  struct Case {
    const char* url;
    const char* masked;
  };
  const auto [url, masked] = GENERATE(values<Case>({
      {"redis://user:secret@host", "redis://user:***@host"},
      {"redis://:secret@host:6379/0", "redis://:***@host:6379/0"},
      {"amqp://u:p@h/vhost?x=1", "amqp://u:***@h/vhost?x=1"},
      {"postgresql://u:a@b@h/db", "postgresql://u:***@h/db"},
      {"redis://:pa/ss@host/0", "redis://:***@host/0"},
      {"redis://:pa?s#s@host/0", "redis://:***@host/0"},
      {"mysql://u:1234/5@h/db", "mysql://u:1234/5@h/db"},
      {"postgresql://h/db?user=u&password=secret&x=1", "postgresql://h/db?user=u&password=***&x=1"},
      {"redis://u:s@a,redis://u:t@b:1", "redis://u:***@a,redis://u:***@b:1"},
      {"--dsn=mysql://u:s@h/db --other=x:y@z", "--dsn=mysql://u:***@h/db --other=x:y@z"},
      {"'redis://u:s@a','redis://u:t@b'", "'redis://u:***@a','redis://u:***@b'"},
      {"redis://user@host", "redis://user@host"},
      {"gearman://h:4730,h2:4730", "gearman://h:4730,h2:4730"},
      {"http://h:80/path@x", "http://h:80/path@x"},
      {"sqlite:///a/b.db", "sqlite:///a/b.db"},
      {"user:secret@host", "user:secret@host"},
      {"://", "://"},
      {"", ""},
  }));

  CHECK(MaskPassword(url) == masked);
}

TEST_CASE("no password is printed wherever it stands", "[profile]") {
  const std::string printed = PrintProfile(Good(R"(
command: [w, "--db=redis://u:hush1@h"]
env: {DATABASE_URL: "postgres://u:hush2@h/d", DB_PASSWORD: hush3, GITHUB_TOKEN: hush4, TOKENS: 5}
config: {dsn: "mysql://u:hush5\"@h/d", list: ["redis://:hush6@h"]}
queue: {driver: redis, url: "redis://:hush7@h/1", password: hush8, urls: ["amqp://u:hush9@h"]}
)"));

  CHECK(printed.find("hush") == std::string::npos);
  CHECK(printed.find("TOKENS: \"5\"") != std::string::npos);
  CHECK(printed.find("\"redis://:***@h/1\"") != std::string::npos);
  CHECK(Good(printed).queue.extra.at("password").text == "***");
}

}  // namespace workmand::test
