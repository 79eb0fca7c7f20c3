// What the daemon makes of a line on the control socket.
#include <string>
#include <string_view>

#include <catch2/catch.hpp>

#include "daemon/admin/verbs.h"

namespace workmand {
namespace {

std::string Refusal(std::string_view line) {
  const Result<Request> request = ParseRequest(line);
  return request ? "accepted" : request.error().message;
}

TEST_CASE("each verb is known by its name", "[admin]") {
  CHECK(ParseRequest(R"({"verb":"status"})").value().verb == Verb::kStatus);
  CHECK(ParseRequest(R"({"verb":"workers"})").value().verb == Verb::kWorkers);
  CHECK(ParseRequest(R"({"verb":"pause"})").value().verb == Verb::kPause);
  CHECK(ParseRequest(R"({"verb":"resume"})").value().verb == Verb::kResume);
  CHECK(ParseRequest(R"({"verb":"reload"})").value().verb == Verb::kReload);
  CHECK(ParseRequest(R"({"verb":"stop"})").value().verb == Verb::kStop);
}

TEST_CASE("an unknown verb is named together with the known ones", "[admin]") {
  CHECK(Refusal(R"({"verb":"explode"})") ==
        "unknown verb \"explode\" (known: status, workers, pause, resume, reload, stop, scale, "
        "enqueue)");
}

TEST_CASE("a request without a verb that is a string is refused", "[admin]") {
  CHECK(Refusal("{}") == "verb: must be there, as a string");
  CHECK(Refusal(R"({"verb":7})") == "verb: must be there, as a string");
}

TEST_CASE("an unknown field is named and not ignored", "[admin]") {
  CHECK(Refusal(R"({"verb":"pause","now":true})") ==
        "unknown field \"now\" (accepted here: nothing)");
  CHECK(Refusal(R"({"verb":"enqueue","task":"T","dealy_ms":5})").find("\"dealy_ms\"") !=
        std::string::npos);
}

TEST_CASE("scale takes a positive whole number", "[admin]") {
  CHECK(ParseRequest(R"({"verb":"scale","n":4})").value().n == 4);
  CHECK(Refusal(R"({"verb":"scale"})") == "n: must be there (the number of workers wanted)");
  CHECK(Refusal(R"({"verb":"scale","n":0})") ==
        "n: must be a whole number from 1 to 10000 (got \"0\")");
  CHECK(Refusal(R"({"verb":"scale","n":-1})") != "accepted");
  CHECK(Refusal(R"({"verb":"scale","n":2.5})") != "accepted");
  CHECK(Refusal(R"({"verb":"scale","n":"4"})") != "accepted");
  CHECK(Refusal(R"({"verb":"scale","n":99999999999999999999})") != "accepted");
}

TEST_CASE("an enqueue request is read with all its fields", "[admin]") {
  const Request request =
      ParseRequest(R"({"verb":"enqueue","task":"Echo","args":[1],"delay_ms":1500,)"
                   R"("priority":"high","unique":"k","max_attempts":3,"wait":true,)"
                   R"("timeout_ms":30000,"notes":true})")
          .value();
  CHECK(request.verb == Verb::kEnqueue);
  CHECK(request.notes);
  CHECK(request.enqueue.wait);
  CHECK(request.enqueue.timeout == Duration(30'000));
  CHECK(request.enqueue.form == ArgsForm::kJson);
  const Enqueue& job = request.enqueue.job;
  CHECK(job.task == "Echo");
  CHECK(job.payload == "[1]");
  CHECK(job.delay == Duration(1500));
  CHECK(job.priority == Priority::kHigh);
  CHECK(job.unique == "k");
  CHECK(job.max_attempts == 3);
  CHECK(job.foreground);
}

TEST_CASE("an enqueue request with a task alone has the defaults", "[admin]") {
  const Request request = ParseRequest(R"({"verb":"enqueue","task":"Echo"})").value();
  CHECK_FALSE(request.notes);
  CHECK_FALSE(request.enqueue.wait);
  CHECK_FALSE(request.enqueue.job.foreground);
  CHECK_FALSE(request.enqueue.timeout.has_value());
  CHECK(request.enqueue.form == ArgsForm::kNone);
  CHECK(request.enqueue.job.priority == Priority::kNormal);
  CHECK(request.enqueue.job.max_attempts == 0);
  CHECK(request.enqueue.job.delay == Duration(0));
}

TEST_CASE("arguments are spliced byte for byte", "[admin]") {
  const std::string args =
      R"({"b": 12345678901234567890123,"a":1e400 , "s":"\u00e9\/é", "x":[1.0, -0.0,"\"}" ]})";
  const Request request =
      ParseRequest(R"({"args": )" + args + R"( ,"task":"T","verb":"enqueue"})").value();
  CHECK(request.enqueue.job.payload == args);
}

TEST_CASE("base64 arguments arrive as bytes", "[admin]") {
  const Request request =
      ParseRequest(R"({"verb":"enqueue","task":"T","args_b64":"AP8K"})").value();
  CHECK(request.enqueue.form == ArgsForm::kBytes);
  CHECK(request.enqueue.job.payload == std::string("\0\xff\n", 3));
}

TEST_CASE("an empty base64 argument is bytes and not nothing", "[admin]") {
  const Request request = ParseRequest(R"({"verb":"enqueue","task":"T","args_b64":""})").value();
  CHECK(request.enqueue.form == ArgsForm::kBytes);
  CHECK(request.enqueue.job.payload.empty());
}

TEST_CASE("args and args_b64 together are refused in either order", "[admin]") {
  CHECK(Refusal(R"({"verb":"enqueue","task":"T","args":1,"args_b64":"AA=="})") != "accepted");
  CHECK(Refusal(R"({"verb":"enqueue","task":"T","args_b64":"AA==","args":1})") ==
        "args: must be the only one of args and args_b64 (got \"1\")");
}

TEST_CASE("a bad field of an enqueue request is named", "[admin]") {
  const auto refusal = [](std::string_view field) {
    return Refusal(R"({"verb":"enqueue","task":"T",)" + std::string(field) + "}");
  };
  CHECK(refusal(R"("args_b64":"A")").rfind("args_b64: ", 0) == 0);
  CHECK(refusal(R"("delay_ms":-1)").rfind("delay_ms: ", 0) == 0);
  CHECK(refusal(R"("delay_ms":9007199254740991)").rfind("delay_ms: ", 0) == 0);
  CHECK(refusal(R"("priority":"urgent")") ==
        "priority: must be \"high\", \"normal\" or \"low\" (got \"\"urgent\"\")");
  CHECK(refusal(R"("unique":"")").rfind("unique: ", 0) == 0);
  CHECK(refusal(R"("max_attempts":0)").rfind("max_attempts: ", 0) == 0);
  CHECK(refusal(R"("wait":1)").rfind("wait: ", 0) == 0);
  CHECK(refusal(R"("wait":true,"timeout_ms":0)").rfind("timeout_ms: ", 0) == 0);
  CHECK(refusal(R"("timeout_ms":5)") == "timeout_ms: needs wait: true");
}

TEST_CASE("a task must be a name", "[admin]") {
  CHECK(Refusal(R"({"verb":"enqueue"})") == "task: must be there (the name of what to run)");
  CHECK(Refusal(R"({"verb":"enqueue","task":""})").rfind("task: ", 0) == 0);
  CHECK(Refusal(R"({"verb":"enqueue","task":"a\u0000b"})").rfind("task: ", 0) == 0);
  CHECK(Refusal(R"({"verb":"enqueue","task":["a"]})").rfind("task: ", 0) == 0);
}

TEST_CASE("escaped keys are the same keys", "[admin]") {
  const Request request = ParseRequest(R"({"v\u0065rb":"scale","\u006e":2})").value();
  CHECK(request.verb == Verb::kScale);
  CHECK(request.n == 2);
}

TEST_CASE("a line that is no single JSON object is refused with a sentence", "[admin]") {
  for (const std::string_view line :
       {"", " ", "status", "[]", "\"status\"", R"({"verb":"status")", R"({"verb":"status"}})",
        R"({"verb":"status","verb":"stop"})", "{\"verb\":\"sta\xff\"}", "{\"verb\":\"a\nb\"}"}) {
    CAPTURE(line);
    CHECK(Refusal(line) != "accepted");
    CHECK_FALSE(Refusal(line).empty());
  }
}

TEST_CASE("hostile depth is refused and not recursed into", "[admin]") {
  const std::string deep =
      R"({"verb":"enqueue","task":"T","args":)" + std::string(100'000, '[') + "}";
  CHECK(Refusal(deep) != "accepted");
}

TEST_CASE("a long bad value is cut in the message", "[admin]") {
  const std::string line = R"({"verb":")" + std::string(100'000, 'x') + R"("})";
  CHECK(Refusal(line).size() < 300);
}

TEST_CASE("a job line takes the members of a job and no others", "[admin]") {
  const Result<EnqueueRequest> job = ParseJobLine(R"({"task":"T","args":{"n":1},"unique":"u"})");
  REQUIRE(job.has_value());
  CHECK(job->job.task == "T");
  CHECK(job->job.payload == R"({"n":1})");
  CHECK(job->job.unique == "u");
  CHECK_FALSE(ParseJobLine(R"({"verb":"enqueue","task":"T"})").has_value());
  CHECK_FALSE(ParseJobLine(R"({"task":"T","wait":true})").has_value());
  CHECK_FALSE(ParseJobLine(R"({"args":1})").has_value());
}

}  // namespace
}  // namespace workmand
