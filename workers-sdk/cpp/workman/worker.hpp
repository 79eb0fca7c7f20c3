// Workers for workmand in C++20:
//
//   #include <workman/worker.hpp>
//   int main(int argc, char** argv) {
//     workman::Worker worker(argc, argv);
//     worker.task("resize", {.timeout = 30s}, [](workman::Job& job) { return json{{"ok", true}};
//     }); return worker.run();
//   }
//
// The constructor points descriptor 1 at stderr and 0 at /dev/null in a worker, so that no print
// and no child can damage the protocol. Jobs run one at a time in a thread that run() starts, the
// main thread waits for signals.
#pragma once

#include <algorithm>
#include <atomic>
#include <cctype>
#include <chrono>
#include <cxxabi.h>
#include <dlfcn.h>
#include <exception>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <pthread.h>
#include <signal.h>
#include <string>
#include <thread>
#include <typeinfo>
#include <utility>
#include <vector>

#include "workman/channel.hpp"
#include "workman/job.hpp"
#include "workman/signals.hpp"
#include "workman/task.hpp"

namespace workman {

/// There is one in a program; it is made first in main(). Not copied, not moved.
class Worker {
 public:
  static constexpr std::string_view kVersion = "0.1.0";
  static constexpr int kConfigError = 78;

  Worker(int argc, char** argv)
      : program_(argc > 0 ? argv[0] : "worker"),
        arguments_(argv + (argc > 0 ? 1 : 0), argv + argc) {}
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Makes a task of a callable that takes (Job&), (const json&) or (const json&, Job&) and returns
  /// nothing, Bytes, Raw, or what json can be made of.
  template <typename F>
  Task& task(std::string name, F function) {
    return task(std::move(name), Options{}, std::move(function));
  }
  template <typename F>
  Task& task(std::string name, Options options, F function) {
    return Add(
        std::make_unique<Task>(std::move(name), std::move(options), Wrap(std::move(function))));
  }
  /// Makes a task of an object with a member run() as above. Of its class: `name` (a static
  /// string; none: the name of the class), `options` (static), and members as hooks: on_start(job),
  /// on_done(job), on_fail(job, text), on_abort(job, why).
  template <typename T>
  Task& add(T object);
  template <typename T>
  Task& task() {
    return add(T{});
  }

  /// Of all tasks; they run before the task's own.
  void on_start(std::function<void(Job&)> hook) { start_.push_back(std::move(hook)); }
  void on_done(std::function<void(Job&)> hook) { done_.push_back(std::move(hook)); }
  void on_fail(std::function<void(Job&, const std::string&)> hook) {
    fail_.push_back(std::move(hook));
  }
  void on_abort(std::function<void(Job&, const ForceKilled&)> hook) {
    abort_.push_back(std::move(hook));
  }
  /// Of the process, in the thread of the jobs: before `ready`, and at the end.
  void on_boot(std::function<void()> hook) { boot_.push_back(std::move(hook)); }
  void on_exit(std::function<void()> hook) { exit_.push_back(std::move(hook)); }

  /// Runs in the worker before `ready`, so that a restart finds what is new; may call task().
  void loader(std::function<void(Worker&)> load) { loaders_.push_back(std::move(load)); }
  /// A shared object of tasks: its extern "C" void workman_tasks(workman::Worker&) is called.
  void load(const std::string& path);
  /// Whether the daemon says early that a job is cancelled, and waits 1 s before it interrupts; for
  /// tasks that look at cancelled().
  void hear_cancel(bool wanted) { hear_cancel_ = wanted; }
  /// How long an interrupted job may take to notice before its on_abort runs beside it.
  void settle(Milliseconds time) { settle_ = time; }

  /// Serves until the daemon ends it, and returns the exit status of the program.
  int run() {
    if (!channel_.supervised()) return ByHand();
    channel_.Watch(signals_.Start([this] { Forked(); }));
    std::thread jobs([this] {
      status_ = Serve();
      signals_.Finish();
    });
    for (int number = signals_.Wait(); number != 0; number = signals_.Wait()) Signalled(number);
    jobs.join();
    return status_;
  }

 private:
  // kBooting and kLeaving: SIGABRT ends the process. kIdle: it drains. kRunning: it interrupts the
  // job. kFinishing, kAborting: the outcome is on its way, and SIGABRT only drains.
  enum class State { kBooting, kIdle, kRunning, kFinishing, kAborting, kLeaving };

  // -- tasks (worker_tasks.hpp) --
  template <typename F>
  static std::function<Value(Job&)> Wrap(F function);
  Task& Add(std::unique_ptr<Task> task);

  // -- signals, in the main thread (worker_signals.hpp) --
  void Signalled(int number);
  void Interrupt();
  void Forked();

  // -- jobs, in their thread (worker_jobs.hpp, worker_outcome.hpp) --
  int Serve();
  void SetState(State state);
  void SendReady();
  void Handle(const std::string& line);
  void Take(const protocol::Object& message);
  void Work(Job& job, Task& task);
  void Answer(const Job& job, std::string_view kind, std::string_view rest);
  std::string Attempt(Job& job, Task& task);
  std::string Finished(Job& job, Task& task);
  std::string Failed(Job& job, Task& task, const std::exception* error, std::string_view code);
  std::string Aborted(Job& job, Task& task);
  static std::string Outcome(const Job& job, std::string_view kind, std::string_view rest,
                             bool follow_ups);
  bool IsCancelled(Job& job);
  json EnqueueNow(Job& job, const std::string& spec);

  // -- without a daemon (by_hand.hpp) --
  int ByHand();
  int RunByHand(const std::string& name, const std::string& text);

  static constexpr std::string_view kStopping = R"(,"reason":"stopping","requeue":true)";

  std::string program_;
  std::vector<std::string> arguments_;
  detail::Channel channel_;
  detail::Signals signals_;
  std::vector<std::unique_ptr<Task>> tasks_;
  std::map<std::string, Task*, std::less<>> by_name_;
  std::vector<std::function<void(Worker&)>> loaders_;
  std::vector<std::function<void()>> boot_, exit_;
  std::vector<std::function<void(Job&)>> start_, done_;
  std::vector<std::function<void(Job&, const std::string&)>> fail_;
  std::vector<std::function<void(Job&, const ForceKilled&)>> abort_;
  bool hear_cancel_ = false;
  Milliseconds settle_{100};
  int status_ = 0;

  // Of the thread of the jobs.
  std::thread::id jobs_thread_;
  json config_;
  std::int64_t max_line_ = 0;
  std::int64_t refs_ = 0;
  std::string cancel_reason_;
  bool refuse_ = false;  ///< give jobs back

  std::atomic<bool> drain_ = false;  ///< leave when nothing is left to answer
  std::atomic<bool> child_ = false;  ///< a fork of the worker, which is none
  std::mutex state_mutex_;           ///< guards what follows
  std::condition_variable claimed_changed_;
  State state_ = State::kBooting;
  bool claimed_ = false;  ///< a thread has taken the abort of the killed job upon itself
  Job* job_ = nullptr;
  Task* task_ = nullptr;
};

}  // namespace workman

#include "workman/by_hand.hpp"
#include "workman/worker_jobs.hpp"
#include "workman/worker_outcome.hpp"
#include "workman/worker_signals.hpp"
#include "workman/worker_tasks.hpp"
