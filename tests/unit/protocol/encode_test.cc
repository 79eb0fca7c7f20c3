#include "protocol/encode.h"

#include <string>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "protocol/json_slicer.h"
#include "protocol/json_text.h"
#include "tests/unit/protocol/support.h"

namespace workman::protocol {
namespace {

JobMessage EchoJob() {
  JobMessage job;
  job.id = "7Qm2v9xKp4TzAb";
  job.task = "echo";
  job.args = R"({"a":1})";
  job.driver = "sqlite";
  job.queue = "echo";
  job.job = "17";
  return job;
}

std::string Encoded(const JobMessage& job) {
  std::string out;
  AppendJob(out, job);
  return out;
}

TEST_CASE("a job is one compact line that begins with its type and id", "[protocol]") {
  REQUIRE(Encoded(EchoJob()) ==
          R"({"type":"job","id":"7Qm2v9xKp4TzAb","task":"echo","attempt":1,"timeout_ms":0,)"
          R"("args":{"a":1},"queue":{"driver":"sqlite","name":"echo","job":"17"}})"
          "\n");
}

TEST_CASE("what is known of a job stands in its line", "[protocol]") {
  JobMessage job = EchoJob();
  job.attempt = 2;
  job.max_attempts = 4;
  job.timeout_ms = 30'000;
  job.deadline_at_ms = 1'764'000'030'000;
  job.enqueued_at_ms = 1'764'000'000'000;

  REQUIRE(Encoded(job) ==
          R"({"type":"job","id":"7Qm2v9xKp4TzAb","task":"echo","attempt":2,"max_attempts":4,)"
          R"("timeout_ms":30000,"deadline_at":1764000030000,"args":{"a":1},)"
          R"("queue":{"driver":"sqlite","name":"echo","job":"17","enqueued_at":1764000000000}})"
          "\n");
}

TEST_CASE("args go out byte for byte", "[protocol]") {
  JobMessage job = EchoJob();
  job.args = R"({ "z":12345678901234567890123, "a":1.50, "a":"\ud800" })";

  REQUIRE(Encoded(job).find(job.args) != std::string::npos);
}

TEST_CASE("args that are bytes go out as base64", "[protocol]") {
  JobMessage job = EchoJob();
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
  job.args = bytes;
  job.args_binary = true;

  const auto line = nlohmann::json::parse(Encoded(job));

  REQUIRE_FALSE(line.contains("args"));
  REQUIRE(DecodeBase64(line.at("args_b64").get<std::string>()) == bytes);
}

TEST_CASE("a job without args has null", "[protocol]") {
  JobMessage job = EchoJob();
  job.args = {};

  REQUIRE(Encoded(job).find(R"("args":null,)") != std::string::npos);
}

TEST_CASE("names from outside cannot break the line", "[protocol]") {
  JobMessage job = EchoJob();
  job.task = "a\"\n\\b";
  job.queue = "q\r\n";
  job.job = "\xFF\x01";

  const std::string line = Encoded(job);

  REQUIRE(line.find('\n') == line.size() - 1);
  const auto parsed = nlohmann::json::parse(line);
  REQUIRE(parsed.at("task") == "a\"\n\\b");
  REQUIRE(parsed.at("queue").at("name") == "q\r\n");
  REQUIRE(parsed.at("queue").at("job") == "\uFFFD\u0001");
}

TEST_CASE("lines are appended to what is there", "[protocol]") {
  std::string out = "before\n";

  AppendPing(out, "p1");
  AppendPing(out, "p2");

  REQUIRE(out == "before\n{\"type\":\"ping\",\"id\":\"p1\"}\n{\"type\":\"ping\",\"id\":\"p2\"}\n");
}

TEST_CASE("a pretty configuration goes out on one line", "[protocol]") {
  Hello hello;
  hello.config = "{\n\t\"a\": [\r\n1]\n}";
  std::string out;

  AppendHello(out, hello);

  REQUIRE(out.find('\n') == out.size() - 1);
  REQUIRE(nlohmann::json::parse(out).at("config").at("a").at(0) == 1);
}

std::string HelloAgain(const nlohmann::json& line, const Object& raw) {
  Hello hello;
  hello.daemon = line.at("daemon");
  hello.profile = line.at("profile");
  hello.worker = line.at("worker");
  hello.generation = line.at("generation");
  hello.max_line = line.at("max_line");
  if (line.contains("start_timeout_ms")) hello.start_timeout_ms = line.at("start_timeout_ms");
  if (line.contains("graceful_timeout_ms")) {
    hello.graceful_timeout_ms = line.at("graceful_timeout_ms");
  }
  hello.abort_timeout_ms = line.at("abort_timeout_ms");
  hello.max_jobs = line.value("max_jobs", 0);
  hello.features = line.at("features").get<std::vector<std::string>>();
  hello.config = raw.Find("config");
  std::string out;
  AppendHello(out, hello);
  return out;
}

std::string JobAgain(const nlohmann::json& line, const Object& raw) {
  const nlohmann::json& queue = line.at("queue");
  const std::string bytes = DecodeBase64(line.value("args_b64", std::string())).value();
  JobMessage job;
  job.id = line.at("id").get_ref<const std::string&>();
  job.task = line.at("task").get_ref<const std::string&>();
  job.attempt = line.at("attempt");
  job.max_attempts = line.value("max_attempts", 0);
  job.timeout_ms = line.at("timeout_ms");
  job.deadline_at_ms = line.value("deadline_at", std::int64_t{0});
  job.args_binary = line.contains("args_b64");
  job.args = raw.Find("args");
  if (job.args_binary) job.args = bytes;
  job.driver = queue.at("driver").get_ref<const std::string&>();
  job.queue = queue.at("name").get_ref<const std::string&>();
  job.job = queue.at("job").get_ref<const std::string&>();
  job.enqueued_at_ms = queue.value("enqueued_at", std::int64_t{0});
  return Encoded(job);
}

/// Writes again, with our own functions, what a golden line says.
std::string Again(const std::string& text) {
  Object raw;
  REQUIRE(Object::Parse(text, raw) == JsonError::kNone);
  const auto line = nlohmann::json::parse(text);
  const auto type = line.at("type").get<std::string>();
  const auto id = line.value("id", std::string());
  const auto reason = line.value("reason", std::string());
  if (type == "hello") return HelloAgain(line, raw);
  if (type == "job") return JobAgain(line, raw);
  std::string out;
  if (type == "cancel") AppendCancel(out, id, reason);
  if (type == "ping") AppendPing(out, id);
  if (type == "shutdown") AppendShutdown(out, reason, line.value("deadline_ms", std::int64_t{-1}));
  if (type == "reply") {
    AppendReply(out, id, line.at("ok").get<bool>(), raw.Find("result"),
                ErrorMessage(raw.Find("error")));
  }
  return out;
}

TEST_CASE("every golden line of the daemon is written exactly so", "[protocol]") {
  for (const std::string& line : GoldenLines("valid_to_worker.jsonl")) {
    REQUIRE(Again(line) == line + "\n");
  }
}

TEST_CASE("an error object has a code when there is one", "[protocol]") {
  REQUIRE(MakeError("bad_payload", "not \"JSON\"") ==
          R"({"code":"bad_payload","message":"not \"JSON\""})");
  REQUIRE(MakeError("", "boom") == R"({"message":"boom"})");
}

TEST_CASE("an error object has the last words on stderr when there are any", "[protocol]") {
  CHECK(MakeError("lost", "gone", "warm up\nout of \"luck\"\n\n") ==
        R"({"code":"lost","message":"gone","stderr":"warm up\nout of \"luck\""})");
  CHECK(MakeError("lost", "gone", "\r\n\n") == R"({"code":"lost","message":"gone"})");
}

TEST_CASE("the last words are the last 20 lines", "[protocol]") {
  std::string words;
  std::string end;
  for (int i = 1; i <= 30; ++i) {
    words += std::to_string(i) + "\n";
    if (i > 10) end += (end.empty() ? "" : "\\n") + std::to_string(i);
  }
  CHECK(MakeError("", "gone", words) == R"({"message":"gone","stderr":")" + end + "\"}");
}

TEST_CASE("the last words are at most 2 KiB and begin with a whole character", "[protocol]") {
  std::string words;
  for (int i = 0; i < 1'500; ++i) words += "é";
  const std::string even = MakeError("", "gone", words);
  const std::string odd = MakeError("", "gone", words + "x");
  const std::string rim = R"({"message":"gone","stderr":""})";
  CHECK(even.size() == rim.size() + 2'048);
  CHECK(odd.size() == rim.size() + 2'047);
  CHECK(odd.find("\xEF\xBF\xBD") == std::string::npos);
}

TEST_CASE("last words that are no UTF-8 become valid", "[protocol]") {
  const std::string error = MakeError("", "gone",
                                      "a\xFF"
                                      "b\x80\x80\x80\x80");
  Object object;
  CHECK(Object::Parse(error, object) == JsonError::kNone);
}

TEST_CASE("an error that is too long keeps what it is", "[protocol]") {
  constexpr std::size_t kMost = 4096;
  std::string scratch;
  const std::string small = R"({"message":"boom","data":[1, 2]})";
  CHECK(ShortenError(small, kMost, scratch) == small);

  const auto shorten = [&](const std::string& message, const std::string& rest) {
    std::string error;
    error += R"({"message":)";
    AppendString(error, message);
    error += rest + "}";
    return std::string(ShortenError(error, kMost, scratch));
  };
  const std::string data = R"(,"data":")" + std::string(kMost, 'd') + "\"";
  CHECK(shorten("boom", R"(,"class":"E","code":"c","trace":"t")" + data) ==
        R"({"message":"boom","code":"c","class":"E","trace":"t","shortened":true})");

  const std::string cut = shorten(std::string(kMost, 'x'), "");
  CHECK(cut.size() <= kMost);
  CHECK(cut.starts_with(R"({"message":"xxx)"));
  CHECK(cut.ends_with(R"(xxx","shortened":true})"));

  // Each byte is six in JSON, and a character is cut in two.
  for (const std::string& one : {std::string("\x01"), std::string("\xc3\xa9"), std::string("\"")}) {
    std::string message = "a";
    while (message.size() < kMost) message += one;
    const std::string shown = shorten(message, "");
    CHECK(shown.size() <= kMost);
    CHECK(shown.size() > kMost / 4);
    CHECK(IsJson(shown));
  }
}

}  // namespace
}  // namespace workman::protocol
