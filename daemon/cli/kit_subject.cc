// The worker under test: what is sent, what comes, and how it ends.
#include <algorithm>
#include <array>
#include <csignal>
#include <sstream>
#include <unistd.h>
#include <utility>
#include <variant>

#include "daemon/cli/kit.h"
#include "daemon/cli/worker_lines.h"
#include "protocol/decode.h"
#include "protocol/encode.h"

namespace workmand::cli {
namespace {

namespace wire = workman::protocol;

constexpr Duration kBoot{15'000};
constexpr Duration kStep{5'000};
/// How long stdout and stderr are awaited behind the end of the process.
constexpr Duration kPipesAfterEnd{1'000};
constexpr std::size_t kShownBytes = 200;

/// The environment of this process without what a worker could take for its own.
std::vector<std::string> Environment(const Setup& setup) {
  std::vector<std::string> env;
  for (char** one = environ; *one != nullptr; ++one) {
    if (!std::string_view(*one).starts_with("WORKMAN")) env.emplace_back(*one);
  }
  if (setup.by_hand) return env;
  for (const char* one :
       {"WORKMAN=1", "WORKMAN_PROFILE=kit", "WORKMAN_WORKER=kit-1", "WORKMAN_GENERATION=1"}) {
    env.emplace_back(one);
  }
  if (setup.channel == Channel::kDescriptors) {
    env.emplace_back("WORKMAN_IN=3");
    env.emplace_back("WORKMAN_OUT=4");
  }
  env.insert(env.end(), setup.env.begin(), setup.env.end());
  return env;
}

std::string HelloLine() {
  wire::Hello hello;
  hello.daemon = "workmand/" WORKMAND_VERSION;
  hello.profile = "kit";
  hello.worker = "kit-1";
  hello.start_timeout_ms = kBoot.count();
  hello.graceful_timeout_ms = 20'000;
  hello.features = {"enqueue", "cancel", "extend"};
  std::string line;
  wire::AppendHello(line, hello);
  return line;
}

std::string Shown(std::string_view text) {
  return OnOneShortLine(text, kShownBytes);
}

}  // namespace

Subject::Subject(const KitOptions& options, const Setup& setup) : options_(options) {
  WorkerStart how;
  how.argv = options.command;
  how.argv.insert(how.argv.end(), setup.arguments.begin(), setup.arguments.end());
  how.env = Environment(setup);
  how.channel = setup.channel;
  how.stderr_to = setup.stderr_to;
  how.own_stdin = setup.own_stdin;
  Result<std::unique_ptr<WorkerTalk>> talk = WorkerTalk::Start(how);
  if (!talk) throw BailOut(talk.error().message);
  talk_ = std::move(*talk);
  if (setup.hello) Send(HelloLine());
}

Duration Subject::step() const {
  return Scaled(kStep);
}

Duration Subject::boot() const {
  return Scaled(kBoot);
}

void Subject::Keep(std::string_view mark, std::string_view text) {
  report_.push_back(std::string(mark) + Shown(text));
}

void Subject::Send(const std::string& text) {
  Keep("> ", text);
  talk_->Send(text);
}

void Subject::CloseInput() {
  Keep("> ", "(stdin closed)");
  talk_->CloseInput();
}

void Subject::Signal(int signo, std::string_view name) {
  Keep("> ", "(SIG" + std::string(name) + ")");
  talk_->Signal(signo);
}

Subject::Line Subject::JobLine(std::string_view task, std::string_view args, bool binary) {
  Line line{NewDeliveryId(), {}};
  wire::JobMessage job;
  job.id = line.id;
  job.task = task;
  job.max_attempts = 3;
  job.args = args;
  job.args_binary = binary;
  job.driver = "kit";
  job.queue = task;
  job.job = "1";
  wire::AppendJob(line.text, job);
  return line;
}

std::string Subject::Job(std::string_view task, std::string_view args) {
  Line line = JobLine(task, args);
  Send(line.text);
  return line.id;
}

std::string Subject::HowItEnded() {
  (void)talk_->Wait(After(Clock::now(), kPipesAfterEnd),
                    [this] { return talk_->end().has_value(); });
  if (!talk_->end()) return "it closed its stdout and lives on";
  return "it ended: " + talk_->end()->ToString();
}

void Subject::FailForSilence(std::string_view what) {
  if (talk_->output_ended()) throw CaseFailed("no " + std::string(what) + "; " + HowItEnded());
  throw CaseFailed("no " + std::string(what) + " in time");
}

std::optional<Said> Subject::Classify(std::string line) {
  Keep("< ", line);
  const wire::Decoded decoded = wire::Decode(line);
  if (std::holds_alternative<wire::Blank>(decoded)) return std::nullopt;
  if (const auto* garbage = std::get_if<wire::Garbage>(&decoded)) {
    throw CaseFailed("a line on stdout that is no message (" +
                     (garbage->why.empty() ? "no JSON object" : garbage->why) +
                     "): " + Shown(line));
  }
  if (const auto* malformed = std::get_if<wire::Malformed>(&decoded)) {
    throw CaseFailed("a message that breaks the protocol: " + malformed->why + ": " + Shown(line));
  }
  if (std::holds_alternative<wire::Foreign>(decoded)) {
    throw CaseFailed("a line on stdout that is no message of the protocol: " + Shown(line));
  }
  Said said;
  said.line = std::move(line);
  said.type = said.Text("type");
  said.id = said.Text("id");
  return said;
}

const wire::Ready& Subject::AwaitReady() {
  const TimePoint deadline = After(Clock::now(), boot());
  for (;;) {
    (void)talk_->Wait(deadline, [this] { return talk_->has_line() || talk_->output_ended(); });
    std::optional<std::string> line = talk_->TakeLine();
    if (!line && talk_->output_ended()) throw NeverReady("no ready; " + HowItEnded());
    if (!line) {
      throw NeverReady("no ready within " + std::to_string(boot().count() / 1000) + " s");
    }
    const wire::Decoded decoded = wire::Decode(*line);
    // Before ready a daemon puts up with banners and the like.
    if (!std::holds_alternative<wire::FromWorker>(decoded) &&
        !std::holds_alternative<wire::Malformed>(decoded)) {
      Keep("< ", *line);
      continue;
    }
    const std::optional<Said> said = Classify(*line);
    if (said->type == "log" || said->type == "heartbeat") continue;
    Expect(said->type == "ready", "a " + said->type + " came before ready");
    ready_ = std::get<wire::Ready>(std::get<wire::FromWorker>(decoded));
    ready_line_ = *line;
    return ready_;
  }
}

bool Subject::Announces(std::string_view task) const {
  return ready_.any_task ||
         std::ranges::any_of(ready_.tasks,
                             [task](const wire::AnnouncedTask& one) { return one.name == task; });
}

std::optional<Said> Subject::NextOrEnd(Duration limit, std::string_view what) {
  const TimePoint deadline = After(Clock::now(), limit);
  for (;;) {
    (void)talk_->Wait(deadline, [this] { return talk_->has_line() || talk_->output_ended(); });
    std::optional<std::string> line = talk_->TakeLine();
    if (!line && talk_->output_ended()) return std::nullopt;
    if (!line) FailForSilence(what);
    if (std::optional<Said> said = Classify(std::move(*line))) return said;
  }
}

Said Subject::Next(Duration limit, std::string_view what) {
  std::optional<Said> said = NextOrEnd(limit, what);
  if (!said) FailForSilence(what);
  return std::move(*said);
}

Said Subject::Outcome(const std::string& id) {
  return Outcome(id, step());
}

Said Subject::Outcome(const std::string& id, Duration limit, std::vector<Said>* notes) {
  const TimePoint deadline = After(Clock::now(), limit);
  for (;;) {
    Said said = Next(Until(Clock::now(), deadline), "outcome");
    if (said.type == "log" || said.type == "heartbeat") continue;
    Expect(said.IsOutcome() || said.type == "progress" || said.type == "data",
           "a " + said.type + " where an outcome was due");
    Expect(said.id == id, "a " + said.type + " for the id " + said.id + ", but the job is " + id);
    if (said.IsOutcome()) return said;
    if (notes != nullptr) notes->push_back(std::move(said));
  }
}

void Subject::Begun(const std::string& id) {
  const TimePoint deadline = After(Clock::now(), step());
  for (;;) {
    const Said said = Next(Until(Clock::now(), deadline), "first progress");
    Expect(!said.IsOutcome(), "a " + said.type + " where the task's first progress was due");
    if (said.type == "progress" && said.id == id) return;
  }
}

Said Subject::Done(const std::string& id) {
  return Done(id, step());
}

Said Subject::Done(const std::string& id, Duration limit) {
  Said said = Outcome(id, limit);
  Expect(said.type == "done", "the job was answered with " + said.type);
  return said;
}

Said Subject::Call(std::string_view task, std::string_view args) {
  return Done(Job(task, args));
}

void Subject::Silence(Duration length, std::string_view sentence) {
  const TimePoint deadline = After(Clock::now(), length);
  while (talk_->Wait(deadline, [this] { return talk_->has_line() || talk_->output_ended(); })) {
    std::optional<std::string> line = talk_->TakeLine();
    if (!line) throw CaseFailed(HowItEnded());
    const std::optional<Said> said = Classify(std::move(*line));
    Expect(!said || said->type == "log" || said->type == "heartbeat",
           "a " + (said ? said->type : std::string()) + std::string(sentence));
  }
}

void Subject::Pass(Duration length) {
  (void)talk_->Wait(After(Clock::now(), length), [] { return false; });
}

std::vector<Said> Subject::End(Duration limit) {
  const TimePoint deadline = After(Clock::now(), limit);
  const bool ended = talk_->Wait(deadline, [this] { return talk_->end().has_value(); });
  if (ended) {
    (void)talk_->Wait(After(Clock::now(), kPipesAfterEnd),
                      [this] { return talk_->output_ended(); });
    Keep("< ", "(" + talk_->end()->ToString() + ")");
  }
  std::vector<Said> outcomes;
  while (std::optional<std::string> line = talk_->TakeLine()) {
    std::optional<Said> said = Classify(std::move(*line));
    if (said && said->IsOutcome()) outcomes.push_back(std::move(*said));
  }
  Expect(ended, "it has not ended within " + std::to_string(limit.count()) + " ms");
  return outcomes;
}

void Subject::EndsWell(Duration limit, std::string_view after) {
  const std::vector<Said> late = End(limit);
  Expect(late.empty(), "an outcome after " + std::string(after));
  Expect(end().clean(), "after " + std::string(after) + " it ended with " + end().ToString() +
                            ", not with exit 0");
}

bool Subject::StderrHas(std::string_view text, Duration limit) {
  return talk_->Wait(After(Clock::now(), limit),
                     [this, text] { return talk_->stderr_text().find(text) != std::string::npos; });
}

std::vector<std::string> Subject::Report() {
  constexpr std::size_t kLines = 16;
  constexpr std::size_t kStderrLines = 12;
  std::vector<std::string> lines(
      report_.end() - static_cast<std::ptrdiff_t>(std::min(kLines, report_.size())), report_.end());
  (void)talk_->Wait(After(Clock::now(), Duration{100}), [] { return false; });
  std::vector<std::string> words;
  std::istringstream text(talk_->stderr_text());
  for (std::string line; std::getline(text, line);) words.push_back("stderr: " + Shown(line));
  const std::size_t shown = std::min(kStderrLines, words.size());
  lines.insert(lines.end(), words.end() - static_cast<std::ptrdiff_t>(shown), words.end());
  return lines;
}

}  // namespace workmand::cli
