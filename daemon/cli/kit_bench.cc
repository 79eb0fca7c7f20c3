#include <utility>

#include "daemon/cli/json_equal.h"
#include "daemon/cli/kit.h"
#include "protocol/json_slicer.h"
#include "protocol/json_text.h"

namespace workmand::cli {
namespace {

namespace wire = workman::protocol;

wire::Object Parse(const std::string& line) {
  wire::Object object;
  (void)wire::Object::Parse(line, object);
  return object;
}

std::string Brief(const std::string& raw) {
  constexpr std::size_t kShown = 100;
  return raw.size() <= kShown ? raw : raw.substr(0, kShown) + "…";
}

}  // namespace

void Expect(bool condition, const std::string& sentence) {
  if (!condition) throw CaseFailed(sentence);
}

std::string Said::Raw(std::string_view member) const {
  return std::string(Parse(line).Find(member));
}

std::string Said::Text(std::string_view member) const {
  return wire::ReadString(Parse(line).Find(member)).value_or("");
}

std::string Said::Result() const {
  const std::string raw = Raw("result");
  return raw.empty() && Raw("result_b64").empty() ? "null" : raw;
}

bool Said::IsOutcome() const {
  return type == "done" || type == "fail" || type == "abort";
}

Subject& Bench::Start(const Setup& setup) {
  subject_.reset();
  subject_ = std::make_unique<Subject>(options_, setup);
  return *subject_;
}

Subject& Bench::Boot(std::initializer_list<std::string_view> tasks, const Setup& setup) {
  Subject& subject = Start(setup);
  subject.AwaitReady();
  for (const std::string_view task : tasks) {
    Expect(subject.Announces(task), "the worker announces no task " + std::string(task));
  }
  return subject;
}

void Bench::ExpectResult(const Said& done, std::string_view args) const {
  const std::string result = done.Result();
  Expect(!result.empty() || !echoes(), "the result came as bytes (result_b64)");
  if (echoes()) {
    Expect(SameJson(result, args),
           "the result is " + Brief(result) + ", not the arguments " + Brief(std::string(args)));
  } else if (options_.expect) {
    Expect(SameJson(result, *options_.expect),
           "the result is " + Brief(result) + ", not " + Brief(*options_.expect));
  }
}

std::vector<std::string> Bench::Report() {
  return subject_ == nullptr ? std::vector<std::string>() : subject_->Report();
}

}  // namespace workmand::cli
