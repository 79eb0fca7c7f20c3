// Good profiles: what each key puts into the Profile.
#include <catch2/catch.hpp>

#include "tests/unit/profile/support.h"

namespace workmand::test {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

TEST_CASE("a profile of one key has the built-in defaults", "[profile]") {
  const Profile profile = Good(kMinimal);
  const std::string here = std::filesystem::current_path().string();

  CHECK(profile.path == "conf/a.yaml");
  CHECK(profile.directory == here + "/conf");
  CHECK(profile.name == "a");
  CHECK(profile.command == Lines{"sh"});
  CHECK(profile.working_directory == here + "/conf");
  CHECK(profile.max_workers >= 1);
  CHECK(profile.min_workers == profile.max_workers);
  CHECK(profile.state_dir == "/home/ann/.local/state/workman");
  CHECK(profile.admin.socket == "/run/user/7/workman/a.sock");
  CHECK_FALSE(profile.admin.socket_stated);
  CHECK(profile.log.file.empty());
  CHECK(profile.queue.driver == "sqlite");
  CHECK(profile.config_json.empty());
  CHECK_FALSE(profile.prefetch);
  CHECK_FALSE(profile.nice);
  CHECK(profile.restart_timeout() == seconds(20));
}

TEST_CASE("every key of numbers and words is taken over", "[profile]") {
  const Profile profile = Good(R"(
name: thumbs-2.x_y
command: [python3, w.py]
nice: -5
max_workers: 4
min_workers: 2
idle_timeout: 2m
spawn_interval: 50ms
start_timeout: 7
respawn_backoff: {min: 1s, max: 2s}
max_start_failures: 0
max_reqs_per_child: 0
max_reqs_per_child_jitter: 0.25
max_lifetime: 1d
time_limit: 10s
soft_time_limit: 8s
slow_job_threshold: 3s
graceful_shutdown_timeout: infinity
graceful_restart_timeout: 0
abort_timeout: 1s
stop_signal: never
restart: {max_surge: 0, max_unavailable: 2}
prefetch: 5
dequeue_interval: 100ms
lease_time: 30s
max_attempts: 9
retry_backoff: {min: 2s, max: 1h, factor: 1.5, jitter: 0%}
dead_letter: {retention: 1d}
result_ttl: 0
max_aborts: 0
payload: base64
max_line: 64KiB
log: {level: debug, format: json, file: w.log}
max_timeout: 1h
stall_timeout: 2s
exit_grace: 3s
write_timeout: 4s
max_violations: 0
ping_interval: 0
kill_group: true
preload: true
channel: fd
stderr: 'null'
stdout_garbage: strict
admin: {show_args: true}
)");

  CHECK(profile.name == "thumbs-2.x_y");
  CHECK(profile.command == Lines{"python3", "w.py"});
  CHECK(profile.nice == -5);
  CHECK(profile.max_workers == 4);
  CHECK(profile.min_workers == 2);
  CHECK(profile.idle_timeout == minutes(2));
  CHECK(profile.spawn_interval == Duration{50});
  CHECK(profile.start_timeout == seconds(7));
  CHECK(profile.respawn_backoff_min == seconds(1));
  CHECK(profile.respawn_backoff_max == seconds(2));
  CHECK(profile.max_start_failures == 0);
  CHECK(profile.max_reqs_per_child == 0);
  CHECK(profile.max_reqs_per_child_jitter == 0.25);
  CHECK(profile.max_lifetime == hours(24));
  CHECK(profile.time_limit == seconds(10));
  CHECK(profile.soft_time_limit == seconds(8));
  CHECK(profile.slow_job_threshold == seconds(3));
  CHECK(profile.graceful_shutdown_timeout == kInfinite);
  CHECK(profile.graceful_restart_timeout == seconds(0));
  CHECK(profile.abort_timeout == seconds(1));
  CHECK(profile.stop_signal == StopSignal::kNone);
  CHECK(profile.max_surge == 0);
  CHECK(profile.max_unavailable == 2);
  CHECK(profile.prefetch == 5);
  CHECK(profile.dequeue_interval == Duration{100});
  CHECK(profile.lease_time == seconds(30));
  CHECK(profile.max_attempts == 9);
  CHECK(profile.retry_backoff == Backoff{seconds(2), hours(1), 1.5, 0});
  CHECK(profile.dead_letter_retention == hours(24));
  CHECK(profile.result_ttl == seconds(0));
  CHECK(profile.max_aborts == 0);
  CHECK(profile.payload == PayloadKind::kBase64);
  CHECK(profile.max_line == 65'536);
  CHECK(profile.log.level == log::Level::kDebug);
  CHECK(profile.log.format == log::Format::kJson);
  CHECK(profile.log.file == profile.directory + "/w.log");
  CHECK(profile.max_timeout == hours(1));
  CHECK(profile.stall_timeout == seconds(2));
  CHECK(profile.exit_grace == seconds(3));
  CHECK(profile.write_timeout == seconds(4));
  CHECK(profile.max_violations == 0);
  CHECK(profile.ping_interval == seconds(0));
  CHECK(profile.kill_group);
  CHECK(profile.preload);
  CHECK(profile.channel == Channel::kFd);
  CHECK(profile.stderr_mode == StderrMode::kNull);
  CHECK(profile.stdout_garbage == GarbagePolicy::kStrict);
  CHECK(profile.admin.show_args);
}

TEST_CASE("an empty value leaves the default", "[profile]") {
  const Profile profile = Good(
      "command: [sh]\nname:\ngraceful_restart_timeout:\nlog:\nqueue:\nuser: ~\nmax_attempts: "
      "null\n");

  CHECK(profile == Good(kMinimal));
}

TEST_CASE("relative paths start at the folder of the profile", "[profile]") {
  const Profile profile = Good(
      "command: [sh]\nworking_directory: ../app/\nstate_dir: state\nadmin: {socket: ./a.sock}\n"
      "log: {file: /var/log/a.log}\n");
  const std::string here = std::filesystem::current_path().string();

  CHECK(profile.working_directory == here + "/app");
  CHECK(profile.state_dir == here + "/conf/state");
  CHECK(profile.admin.socket == here + "/conf/a.sock");
  CHECK(profile.admin.socket_stated);
  CHECK(profile.log.file == "/var/log/a.log");
}

TEST_CASE("a socket path that the kernel cannot take is an error", "[profile]") {
  const std::string path = "/" + std::string(102, 'x') + ".sock";
  const auto errors = [](const std::string& socket) {
    return Errors("command: [sh]\nadmin: {socket: " + socket + "}\n");
  };

  CHECK(errors(path.substr(1)).size() == 1);
  CHECK(errors(path.substr(0, 107)).empty());
  CHECK(errors(path) ==
        Lines{"conf/a.yaml:2:17: admin.socket: the path of a socket has at most 107 bytes, and "
              "this has 108 (" +
              path + ")"});
}

TEST_CASE("a name that comes from the file is checked as well", "[profile]") {
  LoadOptions options = MakeOptions();
  options.resolve_command = false;

  CHECK(ErrorsIn(ParseProfile(kMinimal, "my jobs.yaml", options)) ==
        Lines{"my jobs.yaml: name: must be made of letters, digits, '_', '.' and '-' (got 'my "
              "jobs', from the file's name)"});
  CHECK(ParseProfile(kMinimal, "/x/thumbs.prod.yaml", options).profile.name == "thumbs.prod");
}

TEST_CASE("max_workers bounds min_workers where only one is given", "[profile]") {
  CHECK(Good("command: [sh]\nmax_workers: 7\n").min_workers == 7);
  CHECK(Good("command: [sh]\nmin_workers: 1\n").min_workers == 1);
}

TEST_CASE("the spelling of the original program is accepted", "[profile]") {
  CHECK(Good("command: [sh]\nmax_reqs_par_child: 7\n").max_reqs_per_child == 7);
}

TEST_CASE("resource limits are numbers or sizes or unlimited", "[profile]") {
  const Profile profile =
      Good("command: [sh]\nrlimits: {nofile: 4096, core: 0, as: 2GiB, stack: unlimited, cpu:}\n");

  CHECK(profile.rlimits == RlimitMap{{"nofile", 4096},
                                     {"core", 0},
                                     {"as", std::uint64_t{2} << 30U},
                                     {"stack", ~std::uint64_t{0}}});
}

TEST_CASE("tasks keep what is stated and nothing else", "[profile]") {
  const Profile profile = Good(
      "command: [sh]\ntasks:\n  Resize: {time_limit: 5m, max_attempts: 10, limit: 2}\n"
      "  My::Job: {time_limit: 0}\n  Echo:\n");

  CHECK(profile.tasks.at("Resize") == TaskOptions{minutes(5), 10, 2});
  CHECK(profile.tasks.at("My::Job") == TaskOptions{seconds(0), {}, {}});
  CHECK(profile.tasks.at("Echo") == TaskOptions{});
}

TEST_CASE("config becomes one line of JSON with types and digits kept", "[profile]") {
  const Profile profile = Good(R"(
command: [sh]
config:
  bucket: thumbs
  yes: true
  no: False
  none:
  tilde: ~
  int: 12345678901234567890123
  float: 1.50
  exp: -1e5
  quoted: "5"
  single: 'true'
  tagged: !!str 5
  octal: 007
  hex: 0x1f
  plus: +1
  dot: .5
  word: on
  var: ${FOUR}
  text: "${FOUR}"
  list: [1, "a", [], {}, {b: null}]
  escapes: "q\" b\\ n\n t\t e\e ü"
)");

  CHECK(profile.config_json ==
        R"({"bucket":"thumbs","yes":true,"no":false,"none":null,"tilde":null,)"
        R"("int":12345678901234567890123,"float":1.50,"exp":-1e5,"quoted":"5","single":"true",)"
        R"("tagged":"5","octal":"007","hex":"0x1f","plus":"+1","dot":".5","word":"on","var":4,)"
        R"("text":"4","list":[1,"a",[],{},{"b":null}],)"
        R"("escapes":"q\" b\\ n\n t\t e\u001b ü"})");
  CHECK(Good("command: [sh]\nconfig: {}\n").config_json == "{}");
}

TEST_CASE("a queue block keeps the keys of its driver with their places", "[profile]") {
  const Profile profile = Good(
      "command: [sh]\nqueue:\n  driver: gearman\n  prefix: 'x:'\n  job_servers: ['a:1', b]\n"
      "  url: gearman://${PLACE}:4730\n  quorum: false\n  none:\n");
  const QueueOptions& queue = profile.queue;

  CHECK(queue.driver == "gearman");
  CHECK(queue.driver_mark.line == 3);
  CHECK(queue.driver_mark.column == 11);
  CHECK(queue.prefix == "x:");
  CHECK(queue.extra.size() == 3);
  CHECK(queue.extra.at("job_servers").is_list);
  CHECK(queue.extra.at("job_servers").list == Lines{"a:1", "b"});
  CHECK(queue.extra.at("url").text == "gearman://north:4730");
  CHECK(queue.extra.at("url").mark.line == 6);
  CHECK(queue.extra.at("quorum").text == "false");
}

TEST_CASE("what a driver finds wrong gets the place of its key", "[profile]") {
  LoadOptions options = MakeOptions({{"queue.synchronous", "maybe"}});
  options.resolve_command = false;
  options.check_queue = [](const QueueOptions& queue) {
    CHECK(queue.extra.at("synchronous").text == "maybe");
    return std::vector<QueueKeyError>{{"synchronous", "must be full or normal (got 'maybe')"},
                                      {"url", "is missing"},
                                      {"paths", "unknown key; did you mean 'path'?"},
                                      {"broken", "never shown: it has an error already"},
                                      {"driver", "must be known"}};
  };

  const LoadedProfile loaded =
      ParseProfile("command: [sh]\nqueue:\n  driver: x\n  paths: 5\n  broken: ${NOWHERE}\n",
                   "conf/a.yaml", options);

  CHECK(ErrorsIn(loaded) ==
        Lines{"conf/a.yaml:3:3: queue.url: is missing",
              "conf/a.yaml:3:11: queue.driver: must be known",
              "conf/a.yaml:4:10: queue.paths: unknown key; did you mean 'path'?",
              "conf/a.yaml:5:11: queue.broken: the environment variable NOWHERE is not set",
              "--set queue.synchronous=maybe: must be full or normal (got 'maybe')"});
}

}  // namespace workmand::test
