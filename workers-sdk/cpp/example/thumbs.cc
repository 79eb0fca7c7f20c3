// Two tasks: a function and a class. Try it: thumbs --run resize '{"file": "a.png"}'
#include <workman/worker.hpp>

using workman::Job;
using workman::json;
using namespace std::chrono_literals;

namespace {

json Resize(const json& args, Job& job) {
  if (!args.contains("file")) throw workman::Permanent("no file is named", "bad_args");
  job.progress(1, 2);
  job.enqueue("Report", json{{"file", args["file"]}}, {.delay = 60s});
  return {{"file", args["file"]}, {"width", args.value("width", 200)}};
}

/// The worker must stop before the job could end: put it back with a mark, once.
bool ResizeWasInterrupted(Job& job, const workman::ForceKilled& why) {
  json args = job.args();
  args["interrupted"] = why.reason;
  job.enqueue("resize", args);
  return false;  // It went back by itself; the daemon need not do it.
}

struct Report {
  // NOLINTNEXTLINE(readability-identifier-naming): what the library looks for
  static inline const workman::Options options{.timeout = 600s};

  void run(Job& job) { job.log("a report", "info", {{"file", job.args().value("file", "")}}); }
  void on_fail(Job& job, const std::string& /*text*/) {
    job.log("attempt " + std::to_string(job.attempt()) + " failed", "warn");
  }
};

}  // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): what throws before there is a job ends the worker
int main(int argc, char** argv) {
  workman::Worker worker(argc, argv);
  worker.task("resize", {.timeout = 30s, .max_attempts = 4, .backoff = {1s, 60s}}, Resize)
      .on_abort(ResizeWasInterrupted);
  worker.task<Report>();
  return worker.run();
}
