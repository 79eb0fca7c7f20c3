// The worker of the conformance tests: one task for each thing that a worker can do wrong.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <vector>
#include <workman/client.hpp>
#include <workman/worker.hpp>

using workman::Bytes;
using workman::ForceKilled;
using workman::Job;
using workman::json;
using workman::Milliseconds;
using namespace std::chrono_literals;

namespace {

void Marker(Job& job, const ForceKilled& why) {
  std::cerr << "on_abort " + job.id() + " " + why.reason + "\n";
}

std::chrono::duration<double> Seconds(const json& args) {
  return std::chrono::duration<double>(args.at("s").get<double>());
}

json Sleep(Job& job) {
  const json& args = job.args();
  if (args.contains("late")) {
    while (job.remaining()->count() > 0) {
    }
  }
  job.progress(0);
  job.sleep_for(Seconds(args));
  return args;
}

/// Does not look whether it is interrupted.
json Deaf(Job& job) {
  job.progress(0);
  std::this_thread::sleep_for(Seconds(job.args()));
  return job.args();
}

json Spin(Job& job) {
  job.progress(0);
  const auto end = Job::Clock::now() + Seconds(job.args());
  volatile unsigned turns = 0;
  while (Job::Clock::now() < end) turns = turns + 1;
  return job.args();
}

json Fail(const json& args) {
  const std::string kind = args.is_object() ? args.value("kind", "") : "";
  if (kind == "retry") throw workman::Retry("later", 5s);
  if (kind == "permanent") throw workman::Permanent("never", "not_found", {{"n", 1}});
  if (kind == "abort") throw workman::Abort("no", true, 2s);
  if (kind == "odd") throw 7;
  throw std::runtime_error("boom");
}

json Print(const json& args) {
  const json given = args.is_object() ? args : json::object();
  const std::string text = given.value("text", "noise");
  if (given.value("child", false)) {
    if (std::system(("echo '" + text + "'").c_str()) != 0) throw std::runtime_error("no child");
  } else if (given.value("newline", true)) {
    std::cout << text << std::endl;
  } else {
    std::printf("%s", text.c_str());
    std::fflush(stdout);
  }
  return args;
}

void Progress(Job& job) {
  for (const int step : {1, 2, 3}) job.progress(step, 3, "step");
  job.data(json{{"row", 1}});
  job.data(Bytes{"\xff"}, true);
  job.log("hello", "warn", {{"n", 1}});
  job.heartbeat(2500ms);
}

json Enqueue(Job& job) {
  if (job.args().is_object() && job.args().value("now", false)) {
    return job.enqueue_now("kit.echo", 1, {.unique = "u"});
  }
  job.enqueue("kit.echo", json{{"n", 1}},
              {.delay = 1500ms, .priority = "low", .unique = "u", .max_attempts = 2});
  job.enqueue("kit.echo", Bytes{"\xff"});
  return nullptr;
}

json Chain(Job& job) {
  job.enqueue("kit.echo", "with the outcome");
  return job.enqueue_now("kit.echo", "at once");
}

Bytes MakeBytes(Job& job) {
  if (job.args_bytes()) return {*job.args_bytes()};
  std::string bytes(job.args().at("n").get<std::size_t>(), '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i % 256);
  return {bytes};
}

/// The child writes nothing of its own and lets go of nothing that it inherits.
json Orphan(const json& args) {
  const std::string seconds = std::to_string(args.at("s").get<int>());
  const pid_t child = ::fork();
  if (child == 0) {
    ::execlp("sleep", "sleep", seconds.c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }
  return child;
}

json Fork(Job& /*job*/) {
  const pid_t child = ::fork();
  if (child > 0) ::waitpid(child, nullptr, 0);
  if (child == 0) std::cerr << "after_fork\n";
  return {{"parent", child > 0}};
}

/// Whether a child of the shell has the signals that a program expects.
json Mask(Job& /*job*/) {
  return std::system("kill -TERM $$") == SIGTERM && std::system("kill -ABRT $$ 2>/dev/null") != 0;
}

void Cancelled(Job& job) {
  job.progress(0);
  while (!job.cancelled()) job.sleep_for(5ms);
  throw workman::Abort("cancelled", true);
}

/// Turns the interruption into an error of its own, or into nothing.
void Swallow(Job& job) try { Sleep(job); } catch (...) {
  if (!job.args().value("quiet", false)) throw std::logic_error("wrapped");
}

void Threads(Job& job) {
  const std::string text(job.args().at("n").get<std::size_t>(), 'x');
  constexpr std::size_t kTalkers = 4;
  std::vector<std::thread> talkers;
  talkers.reserve(kTalkers);
  for (std::size_t i = 0; i < kTalkers; ++i) {
    talkers.emplace_back([&] {
      for (int part = 0; part < 5; ++part) job.data(text);
    });
  }
  for (std::thread& talker : talkers) talker.join();
}

json Context(Job& job) {
  const std::string input((std::istreambuf_iterator<char>(std::cin)), {});
  return {{"attempt", job.attempt()},
          {"max_attempts", job.max_attempts().value_or(0)},
          {"deadline", job.deadline().value_or(0) / 1000},
          {"left", static_cast<double>(job.remaining()->count()) / 1000},
          {"config", job.config()},
          {"stdin", input},
          {"environment", std::getenv("WORKMAN") != nullptr}};
}

struct Requeue {
  // NOLINTNEXTLINE(readability-identifier-naming): what the library looks for
  static constexpr auto name = "kit.requeue";
  json run(Job& job) {
    job.enqueue("kit.never", 1);
    std::cerr << "requeue runs\n";
    return Sleep(job);
  }
  bool on_abort(Job& job, const ForceKilled& why) {
    Marker(job, why);
    job.enqueue("kit.echo", json{{"again", true}});
    return false;
  }
};

void AddTasks(workman::Worker& worker) {
  worker.task("kit.echo", [](Job& job) -> workman::Value {
    if (job.args_bytes()) return Bytes{*job.args_bytes()};
    return job.args();
  });
  worker.task("kit.fail", {.max_attempts = 2, .backoff = {1s, 60s}}, Fail);
  worker.task("kit.sleep", Sleep).on_abort(Marker).on_done([](Job& job) {
    if (job.args().contains("hook_fails")) throw std::logic_error("in a hook");
  });
  worker.task("kit.deaf", Deaf).on_abort(Marker);
  worker.task("kit.spin", {.timeout = 60s}, Spin).on_abort(Marker);
  worker.task<Requeue>();
  worker.task("kit.print", Print);
  worker.task("kit.exit", [](const json& args) { std::exit(args.at("code").get<int>()); });
  worker.task("kit.crash", [](Job& /*job*/) { std::abort(); });
  worker.task("kit.progress", Progress);
  worker.task("kit.enqueue", Enqueue);
  worker.task("kit.chain", Chain);
  worker.task("kit.bytes", {.payload = "base64"}, MakeBytes);
  worker.task("kit.nan", [](const json& args) {
    return args == "object" ? json("\xff") : json{{"n", std::nan("")}};
  });
  worker.task("kit.orphan", Orphan);
  worker.task("kit.fork", Fork);
  worker.task("kit.mask", Mask);
  worker.task("kit.cancelled", Cancelled);
  worker.task("kit.swallow", Swallow).on_abort(Marker);
  worker.task("kit.rude", Sleep).on_abort([](Job& /*job*/, const ForceKilled& /*why*/) -> bool {
    throw std::logic_error("a rude hook");
  });
  worker.task("kit.threads", Threads);
  worker.task("kit.context", Context);
}

/// One task more for each line of a file.
void LoadNames(workman::Worker& worker) {
  const char* path = std::getenv("WORKMAN_KIT_TASKS");
  if (path == nullptr) return;
  std::ifstream file(path);
  for (std::string name; std::getline(file, name);) {
    if (!name.empty()) worker.task(name, [](const json& args) { return args; });
  }
}

workman::Value ArgsOf(const json& call) {
  if (!call.contains("bytes")) return call["args"];
  return Bytes{workman::protocol::DecodeBase64(call["bytes"].get<std::string>()).value()};
}

Milliseconds Milli(const json& seconds) {
  return Milliseconds(std::lround(seconds.get<double>() * 1000));
}

json Call(const json& call) {
  const workman::Client client = call.contains("socket")
                                     ? workman::Client::At(call["socket"])
                                     : workman::Client(call.value("profile", ""));
  const std::string method = call["call"];
  if (method == "status") return {{"value", client.status()}};
  const workman::Value args = ArgsOf(call);
  const json more = call.value("options", json::object());
  const workman::EnqueueOptions options{.delay = Milli(more.value("delay", 0.0)),
                                        .priority = more.value("priority", ""),
                                        .unique = more.value("unique", ""),
                                        .max_attempts = more.value("max_attempts", 0)};
  const std::string task = call["task"];
  if (method == "enqueue") return {{"value", client.enqueue(task, args, options)}};
  if (method == "enqueue_background") {
    return {{"value", client.enqueue_background(task, args, options)}};
  }
  std::optional<Milliseconds> timeout;
  if (more.contains("timeout")) timeout = Milli(more["timeout"]);
  const auto result = client.enqueue_with_wait(task, args, timeout, options);
  if (!result.bytes) return {{"value", result.value}};
  std::string text;
  workman::protocol::AppendBase64(text, *result.bytes);
  return {{"bytes", text}};
}

/// The producer, for the tests of the client.
json Produce(const json& call) try { return Call(call); } catch (const workman::JobFailed& error) {
  return {{"error", "JobFailed"}, {"message", error.what()}, {"failure", error.failure}};
} catch (const workman::WaitTimeout& error) {
  return {{"error", "WaitTimeout"}, {"message", error.what()}};
} catch (const workman::NoDaemon& error) {
  return {{"error", "NoDaemon"}, {"message", error.what()}};
} catch (const workman::ClientError& error) {
  return {{"error", "ClientError"}, {"message", error.what()}};
}

}  // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): what throws before there is a job ends the worker
int main(int argc, char** argv) {
  if (argc == 3 && std::string(argv[1]) == "--client") {
    std::cout << Produce(json::parse(argv[2])).dump() << "\n";
    return 0;
  }
  workman::Worker worker(argc, argv);
  AddTasks(worker);
  worker.loader(LoadNames);
  worker.hear_cancel(true);
  return worker.run();
}
