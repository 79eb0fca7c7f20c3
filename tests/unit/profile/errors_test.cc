// The exact text of what a person reads when a profile is wrong.
#include <catch2/catch.hpp>

#include "tests/unit/profile/support.h"

namespace workmand::test {
namespace {

struct Case {
  const char* text;  ///< below "command: [sh]", from line 2 on
  const char* message;
};

}  // namespace

TEST_CASE("a bad value is named with its place and its bounds", "[profile]") {
  const auto [text, message] = GENERATE(values<Case>({
      {"max_workers: 0", "2:14: max_workers: must be at least 1 (got 0)"},
      {"max_workers: -3", "2:14: max_workers: must be at least 1 (got -3)"},
      {"max_workers: 10001", "2:14: max_workers: must be at most 10000 (got 10001)"},
      {"max_workers: four", "2:14: max_workers: must be a whole number (got 'four')"},
      {"max_workers: 1.5", "2:14: max_workers: must be a whole number (got '1.5')"},
      {"max_workers: ''", "2:14: max_workers: must be a whole number (got '')"},
      {"max_workers: [4]", "2:14: max_workers: must be a single value (got a list)"},
      {"max_workers: {a: 4}", "2:14: max_workers: must be a single value (got a mapping)"},
      {"max_workers: 99999999999999999999",
       "2:14: max_workers: must be a whole number (got '99999999999999999999')"},
      {"nice: 20", "2:7: nice: must be at most 19 (got 20)"},
      {"nice: -21", "2:7: nice: must be at least -20 (got -21)"},
      {"max_attempts: 0", "2:15: max_attempts: must be at least 1 (got 0)"},
      {"max_start_failures: -1", "2:21: max_start_failures: must be at least 0 (got -1)"},
      {"prefetch: some", "2:11: prefetch: must be auto or a whole number (got 'some')"},
      {"prefetch: -1", "2:11: prefetch: must be at least 0 (got -1)"},
      {"time_limit: 20x",
       "2:13: time_limit: must be a duration such as 500ms, 20s, 5m, 1h, 30d or a number of "
       "seconds (got '20x')"},
      {"time_limit: -1s", "2:13: time_limit: must not be negative (got '-1s')"},
      {"time_limit: infinity", "2:13: time_limit: cannot be infinity; 0 turns it off"},
      {"lease_time: infinity", "2:13: lease_time: cannot be infinity"},
      {"max_line: 256MB",
       "2:11: max_line: must be a size such as 64KiB, 256MiB, 2GiB or a number of bytes (got "
       "'256MB')"},
      {"max_line: 1KiB", "2:11: max_line: must be at least 64KiB (got 1KiB)"},
      {"max_line: 0", "2:11: max_line: must be at least 64KiB (got 0)"},
      {"max_line: 2GiB", "2:11: max_line: must be at most 1GiB (got 2GiB)"},
      {"max_reqs_per_child_jitter: 200%",
       "2:28: max_reqs_per_child_jitter: must be at most 100% (got '200%')"},
      {"kill_group: yes", "2:13: kill_group: must be true or false (got 'yes')"},
      {"stop_signal: often", "2:14: stop_signal: must be one of auto, always, never (got 'often')"},
      {"payload: xml", "2:10: payload: must be one of json, text, base64, auto (got 'xml')"},
      {"stderr: file", "2:9: stderr: must be one of log, inherit, null (got 'file')"},
      {"log:\n  level: loud",
       "3:10: log.level: must be one of trace, debug, info, warn, error, off (got 'loud')"},
      {"log: debug", "2:6: log: must be a mapping (got a single value)"},
      {"retry_backoff: {factor: 0.5}",
       "2:25: retry_backoff.factor: must be a number from 1 to 1000 (got '0.5')"},
      {"retry_backoff: {factor: nan}",
       "2:25: retry_backoff.factor: must be a number from 1 to 1000 (got 'nan')"},
      {"name: my jobs",
       "2:7: name: must be made of letters, digits, '_', '.' and '-' (got 'my jobs')"},
      {"name: a/b", "2:7: name: must be made of letters, digits, '_', '.' and '-' (got 'a/b')"},
      {"name: ''", "2:7: name: must be made of letters, digits, '_', '.' and '-' (got '')"},
  }));

  const Lines errors = Errors(std::string(kMinimal) + text + "\n");

  CHECK(errors == Lines{std::string("conf/a.yaml:") + message});
}

TEST_CASE("zero is refused where it would mean no limit at all", "[profile]") {
  for (const std::string key :
       {"start_timeout", "write_timeout", "exit_grace", "lease_time", "abort_timeout"}) {
    std::string expected = "conf/a.yaml:2:" + std::to_string(key.size() + 3);
    expected.append(": ").append(key).append(": must be more than 0 (got 0s)");

    CHECK(Errors(kMinimal + key + ": 0s\n") == Lines{expected});
  }
}

TEST_CASE("a block with a bad value names the value", "[profile]") {
  const auto [text, message] = GENERATE(values<Case>({
      {"env: [A]", "2:6: env: must be a mapping (got a list)"},
      {"env: {A: [1]}", "2:10: env.A: must be a single value (got a list)"},
      {"env: {'A=B': 1}", "2:14: env.A=B: is no name for an environment variable"},
      {"rlimits: {files: 5}", "2:11: rlimits.files: unknown key"},
      {"rlimits: {nofiles: 5}",
       "2:11: rlimits.nofiles: unknown key; did you mean 'rlimits.nofile'?"},
      {"rlimits: {nofile: 4KiB}",
       "2:19: rlimits.nofile: must be a whole number or unlimited (got '4KiB')"},
      {"rlimits: {as: much}",
       "2:15: rlimits.as: must be a size such as 64KiB, 256MiB, 2GiB, a number of bytes or "
       "unlimited (got 'much')"},
      {"config: 5", "2:9: config: must be a mapping (got a single value)"},
      {"tasks: {A: 5}", "2:12: tasks.A: must be a mapping (got a single value)"},
      {"tasks: {A: {limit: -1}}", "2:20: tasks.A.limit: must be at least 0 (got -1)"},
      {"tasks: {A: {max_attempts: 0}}", "2:27: tasks.A.max_attempts: must be at least 1 (got 0)"},
      {"tasks: {A: {limits: 1}}",
       "2:13: tasks.A.limits: unknown key; did you mean 'tasks.A.limit'?"},
      {"tasks: {'*': {limit: 1}}",
       "2:14: tasks.*: is no name for a task; what is true of every task stands at the top level"},
      {"queue: sqlite", "2:8: queue: must be a mapping (got a single value)"},
      {"queue: {driver: ''}", "2:17: queue.driver: must name a driver"},
      {"queue: {path: {a: 1}}",
       "2:15: queue.path: must be a value or a list of values (got a mapping)"},
      {"queue: {path: [[1]]}", "2:16: queue.path[0]: must be a single value (got a list)"},
  }));

  const Lines errors = Errors(std::string(kMinimal) + text + "\n");

  CHECK(errors == Lines{std::string("conf/a.yaml:") + message});
}

TEST_CASE("the command is a list that names a program", "[profile]") {
  CHECK(Errors("name: a\n") ==
        Lines{"conf/a.yaml: command: is missing; it says which program the workers run"});
  CHECK(Errors("") ==
        Lines{"conf/a.yaml: command: is missing; it says which program the workers run"});
  CHECK(Errors("command: python3 x.py\n") ==
        Lines{"conf/a.yaml:1:10: command: must be a list such as [python3, worker.py]; no shell "
              "reads it"});
  CHECK(Errors("command: []\n") == Lines{"conf/a.yaml:1:10: command: must name a program"});
  CHECK(Errors("command: ['', x]\n") == Lines{"conf/a.yaml:1:10: command: must name a program"});
  CHECK(Errors("command: [sh, {a: b}]\n") ==
        Lines{"conf/a.yaml:1:15: command[1]: must be a single value (got a mapping)"});
}

TEST_CASE("an unknown key is an error with the nearest known key as a hint", "[profile]") {
  const auto [text, message] = GENERATE(values<Case>({
      {"max_wrokers: 4", "2:1: max_wrokers: unknown key; did you mean 'max_workers'?"},
      {"max_worker: 4", "2:1: max_worker: unknown key; did you mean 'max_workers'?"},
      {"Name: a", "2:1: Name: unknown key; did you mean 'name'?"},
      {"gracefull_shutdown_timeout: 4",
       "2:1: gracefull_shutdown_timeout: unknown key; did you mean 'graceful_shutdown_timeout'?"},
      {"elephants: 4", "2:1: elephants: unknown key"},
      {"log: {levl: info}", "2:7: log.levl: unknown key; did you mean 'log.level'?"},
      {"restart: {surge: 1}", "2:11: restart.surge: unknown key"},
      {"log.level: debug",
       "2:1: log.level: unknown key; the dot is for --set, a file nests the keys"},
  }));

  const Lines errors = Errors(std::string(kMinimal) + text + "\n");

  CHECK(errors == Lines{std::string("conf/a.yaml:") + message});
}

TEST_CASE("several errors at once come in the order of the file", "[profile]") {
  const Lines errors = Errors(
      "max_workers: 0\n"
      "tasks:\n"
      "  Resize: {limit: x, max_attempts: 0}\n"
      "bogus: 1\n"
      "abort_timeout: 0\n"
      "queue:\n"
      "  path: ${NOWHERE}\n"
      "log: {format: xml, level: info, level: warn}\n",
      {{"nice", "99"}, {"min_workers", "0"}});

  CHECK(errors == Lines{"conf/a.yaml: command: is missing; it says which program the workers run",
                        "conf/a.yaml:1:14: max_workers: must be at least 1 (got 0)",
                        "conf/a.yaml:3:19: tasks.Resize.limit: must be a whole number (got 'x')",
                        "conf/a.yaml:3:36: tasks.Resize.max_attempts: must be at least 1 (got 0)",
                        "conf/a.yaml:4:1: bogus: unknown key",
                        "conf/a.yaml:5:16: abort_timeout: must be more than 0 (got 0)",
                        "conf/a.yaml:7:9: queue.path: the environment variable NOWHERE is not set",
                        "conf/a.yaml:8:15: log.format: must be one of text, json (got 'xml')",
                        "conf/a.yaml:8:33: log.level: is given twice (first in line 8)",
                        "--set nice=99: must be at most 19 (got 99)",
                        "--set min_workers=0: must be at least 1 (got 0)"});
}

TEST_CASE("a key that is given twice is an error at every depth", "[profile]") {
  CHECK(Errors("command: [sh]\nnice: 1\nnice: 2\n") ==
        Lines{"conf/a.yaml:3:1: nice: is given twice (first in line 2)"});
  CHECK(Errors("command: [sh]\ntasks:\n  A: {limit: 1}\n  A: {limit: 2}\n") ==
        Lines{"conf/a.yaml:4:3: tasks.A: is given twice (first in line 3)"});
  CHECK(Errors("command: [sh]\nconfig: {a: {b: 1, b: 2}}\n") ==
        Lines{"conf/a.yaml:2:20: config.a.b: is given twice (first in line 2)"});
  CHECK(Errors("command: [sh]\nmax_reqs_per_child: 1\nmax_reqs_par_child: 2\n") ==
        Lines{"conf/a.yaml:3:1: max_reqs_par_child: is the same key as max_reqs_per_child; give "
              "only one"});
  CHECK(Errors("command: [sh]\nmax_reqs_par_child: 2\nmax_reqs_per_child: 1\n") ==
        Lines{"conf/a.yaml:3:1: max_reqs_per_child: is the same key as max_reqs_par_child; give "
              "only one"});
}

TEST_CASE("keys that contradict each other are refused", "[profile]") {
  const auto [text, message] = GENERATE(values<Case>({
      {"max_workers: 2\nmin_workers: 3",
       "3:14: min_workers: must be at most max_workers, which is 2 (got 3)"},
      {"restart: {max_surge: 0}",
       "2:22: restart.max_surge: max_surge and max_unavailable cannot both be 0: nothing could be "
       "restarted"},
      {"respawn_backoff: {min: 1m, max: 1s}",
       "2:24: respawn_backoff.min: must be at most respawn_backoff.max, which is 1s (got 1m)"},
      {"retry_backoff: {max: 100ms}",
       "2:22: retry_backoff.min: must be at most retry_backoff.max, which is 100ms (got 1s)"},
      {"time_limit: 5s\nsoft_time_limit: 5s",
       "3:18: soft_time_limit: must be less than time_limit, which is 5s (got 5s)"},
  }));

  const Lines errors = Errors(std::string(kMinimal) + text + "\n");

  CHECK(errors == Lines{std::string("conf/a.yaml:") + message});
}

TEST_CASE("a key to come is refused with a sentence that says so", "[profile]") {
  const auto [text, message] = GENERATE(values<Case>({
      {"max_memory: 100MiB",
       "2:13: max_memory: is not supported yet: recycle workers with max_reqs_per_child or "
       "max_lifetime"},
      {"max_memory_hard: 1GiB",
       "2:18: max_memory_hard: is not supported yet: limit the address space with rlimits.as"},
      {"max_memory_pool: 4GiB",
       "2:18: max_memory_pool: is not supported yet: lower max_workers, or limit the whole service "
       "from outside"},
      {"watch: [src]",
       "2:8: watch: is not supported yet: send SIGHUP to workmand after a change of files"},
      {"hooks: {on_start: [x]}",
       "2:8: hooks: is not supported yet: follow the log with log.format: json"},
      {"admin: {port: 8989}",
       "2:15: admin.port: is not supported yet: ask the control socket with workman status"},
      {"admin: {host: 0.0.0.0}",
       "2:15: admin.host: is not supported yet: there is no HTTP server; ask the control socket "
       "with workman status"},
      {"tasks: {A: {rate: 100/m}}",
       "2:19: tasks.A.rate: is not supported yet: bound the task with limit"},
      {"tasks: {A: {priority: high}}",
       "2:23: tasks.A.priority: is not supported yet: give each job its priority when it is "
       "enqueued"},
  }));

  const Lines errors = Errors(std::string(kMinimal) + text + "\n");

  CHECK(errors == Lines{std::string("conf/a.yaml:") + message});
}

TEST_CASE("a key to come is accepted with the value that asks for nothing", "[profile]") {
  const Profile plain = Good(kMinimal);

  for (const std::string text :
       {"mode: protocol", "max_memory: 0", "max_memory_hard: 0MiB", "max_memory_pool: 0",
        "watch: []", "hooks: {}", "admin: {port: 0}", "exec:", "exec: {}", "lines: {}", "watch:"}) {
    CHECK(Good(kMinimal + text + "\n") == plain);
  }
}

}  // namespace workmand::test
