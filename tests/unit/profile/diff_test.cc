#include "daemon/profile/diff.h"

#include <algorithm>
#include <array>
#include <set>

#include <catch2/catch.hpp>

#include "daemon/profile/keys.h"
#include "tests/unit/profile/support.h"

namespace workmand::test {
namespace {

struct Change {
  const char* key;
  const char* value;
  bool needs_restart = false;
  const char* mode = nullptr;  ///< the mode in which the key is accepted; null = the usual one
};

/// One value for every key of the table that is not its default.
constexpr auto kChanges = std::to_array<Change>({
    {"name", "other", true},
    {"command", "[sh, -x]"},
    {"working_directory", "/tmp"},
    {"env", "{A: b}"},
    {"user", "root"},
    {"group", "root"},
    {"nice", "3"},
    {"rlimits", "{core: 0}"},
    {"config", "{a: 1}"},
    {"max_workers", "9999"},
    {"min_workers", "1"},
    {"idle_timeout", "1s"},
    {"spawn_interval", "1s"},
    {"start_timeout", "1s"},
    {"respawn_backoff.min", "1ms"},
    {"respawn_backoff.max", "1h"},
    {"max_start_failures", "1"},
    {"max_reqs_per_child", "1"},
    {"max_reqs_per_child_jitter", "1%"},
    {"max_lifetime", "1s"},
    {"preload", "true"},
    {"time_limit", "1s"},
    {"soft_time_limit", "1s"},
    {"slow_job_threshold", "1s"},
    {"graceful_shutdown_timeout", "1s"},
    {"graceful_restart_timeout", "1s"},
    {"abort_timeout", "1s"},
    {"stop_signal", "always"},
    {"restart.max_surge", "2"},
    {"restart.max_unavailable", "1"},
    {"prefetch", "0"},
    {"dequeue_interval", "2s"},
    {"lease_time", "1s"},
    {"max_attempts", "1"},
    {"retry_backoff.min", "1ms"},
    {"retry_backoff.max", "1h"},
    {"retry_backoff.factor", "3"},
    {"retry_backoff.jitter", "1%"},
    {"dead_letter.retention", "1d"},
    {"result_ttl", "1s"},
    {"max_aborts", "1"},
    {"payload", "auto"},
    {"max_line", "1MiB"},
    {"state_dir", "/tmp", true},
    {"log.level", "error"},
    {"log.format", "json"},
    {"log.file", "a.log"},
    {"max_timeout", "1s"},
    {"stall_timeout", "1s"},
    {"exit_grace", "1s"},
    {"write_timeout", "1s"},
    {"max_violations", "1"},
    {"ping_interval", "1s"},
    {"kill_group", "true"},
    {"channel", "fd"},
    {"stderr", "inherit"},
    {"stdout_garbage", "strict"},
    {"queue.driver", "memory", true},
    {"queue.prefix", "p", true},
    {"queue.path", "x.db", true},
    {"tasks.Echo", "{limit: 1}"},
    {"admin.socket", "/tmp/a.sock", true},
    {"admin.show_args", "true", true},
    {"exec.result", "text", false, "exec"},
    {"exec.max_result", "1MiB", false, "exec"},
    {"exec.exit_codes", "{3: permanent}", false, "exec"},
    {"exec.abort_signal", "ABRT", false, "exec"},
    {"lines.result", "text", false, "lines"},
    {"lines.framing", "netstring", false, "lines"},
    {"lines.stdbuf", "true", false, "lines"},
    {"lines.error_match", "^ERR", false, "lines"},
    {"lines.error_key", "error", false, "lines"},
});

/// Fixed where the default depends on the machine or on another key.
const std::string kBase =
    "command: [sh]\nmax_workers: 8\nmin_workers: 8\nadmin: {socket: /run/a.sock}\n";

}  // namespace

TEST_CASE("a changed key is seen and nothing else", "[profile]") {
  for (const Change& change : kChanges) {
    INFO(change.key);
    const std::string base = change.mode == nullptr
                                 ? kBase
                                 : kBase + "tasks: {Echo: {limit: 1}}\nmode: " + change.mode + "\n";
    const Profile before = Good(base);
    const Profile after = Good(base, {{change.key, change.value}});
    const ProfileDiff diff = Diff(before, after);

    CHECK(diff.changed == Lines{change.key});
    CHECK(diff.needs_restart == (change.needs_restart ? Lines{change.key} : Lines{}));
    CHECK(Diff(after, before).changed == Lines{change.key});
    CHECK_FALSE(before == after);
  }
}

TEST_CASE("the diff is tried with every key of the table", "[profile]") {
  std::set<std::string> tried;
  for (const Change& change : kChanges) tried.insert(change.key);

  for (const Key& key : Keys()) {
    INFO(key.path);
    // What env_file says is part of env; queue and tasks are told by their parts; and with the mode
    // the keys change that only some modes have.
    const bool elsewhere =
        key.path == "env_file" || key.path == "queue" || key.path == "tasks" || key.path == "mode";
    CHECK(tried.count(key.path) == (elsewhere ? 0 : 1));
  }
}

TEST_CASE("a changed mode is seen with the keys that come and go with it", "[profile]") {
  const std::string base = kBase + "tasks: {Echo: {limit: 1}}\n";

  const ProfileDiff diff = Diff(Good(base + "mode: exec\n"), Good(base + "mode: lines\n"));

  REQUIRE_FALSE(diff.changed.empty());
  CHECK(diff.changed.front() == "mode");
  CHECK(std::find(diff.changed.begin(), diff.changed.end(), "exec.result") != diff.changed.end());
  CHECK(std::find(diff.changed.begin(), diff.changed.end(), "lines.framing") != diff.changed.end());
  CHECK(diff.needs_restart.empty());
}

TEST_CASE("equal profiles do not differ", "[profile]") {
  const ProfileDiff diff = Diff(Good(kBase), Good("\n\n# moved\n" + kBase));

  CHECK(diff.changed.empty());
  CHECK(diff.needs_restart.empty());
}

TEST_CASE("several changes come in the order of the table", "[profile]") {
  const ProfileDiff diff = Diff(
      Good(kBase + "queue: {path: a, sync: full}\ntasks: {A: {limit: 1}, B:}\n"),
      Good(kBase + "queue: {path: b, url: c}\ntasks: {A: {limit: 2}, C:}\nname: x\nnice: 1\n"));

  CHECK(diff.changed == Lines{"name", "nice", "queue.path", "queue.url", "queue.sync", "tasks.A",
                              "tasks.C", "tasks.B"});
  CHECK(diff.needs_restart == Lines{"name", "queue.path", "queue.url", "queue.sync"});
}

}  // namespace workmand::test
