#include "daemon/queue/drivers/zeromq_message.h"

#include <catch2/catch.hpp>

namespace workmand::zeromq {
namespace {

// NOLINTNEXTLINE(misc-unused-using-decls): it is used, as ""s
using std::string_literals::operator""s;

struct Split {
  Frames envelope;
  Frames body;
};

Split SplitMessage(Frames frames) {
  Split split;
  TakeEnvelope(frames, split.envelope);
  split.body = std::move(frames);
  return split;
}

TEST_CASE("the envelope ends where the task begins", "[zeromq]") {
  struct Message {
    Frames frames;
    std::size_t envelope;
  };
  for (const Message& message : {
           Message{{"me", "Resize", "{}"}, 1},                 // DEALER
           Message{{"me", "Resize", "{}", "id"}, 1},           //
           Message{{"me", "", "Resize", "{}"}, 2},             // REQ
           Message{{"me", "", "Resize", "", "id"}, 2},         //
           Message{{"me", "", "Resize"}, 2},                   //
           Message{{"me", "nr", "", "Resize", "{}"}, 3},       // REQ that correlates
           Message{{"proxy", "me", "", "Resize", "", ""}, 3},  // REQ behind a proxy
           Message{{"me", "Resize"}, 1},                       //
           Message{{"me", "Resize", ""}, 1},                   // an empty payload
           Message{{"me", "Resize", "", "id"}, 1},             //
           Message{{"me", "Resize", "{}", ""}, 1},             // an empty id
           Message{{"me", ""}, 2},                             // no job
           Message{{"me"}, 1},                                 //
       }) {
    const Split split = SplitMessage(message.frames);
    CAPTURE(message.frames);
    CHECK(split.envelope.size() == message.envelope);
    CHECK(split.body.size() == message.frames.size() - message.envelope);
  }
}

TEST_CASE("a job is a task and perhaps a payload and an id", "[zeromq]") {
  Frames frames{"Resize", "\0\xFF"s, "id"};
  Job job;

  REQUIRE(ReadJob(frames, job).empty());

  CHECK(job.task == "Resize");
  CHECK(job.payload == "\0\xFF"s);
  CHECK(job.id == "id");
}

TEST_CASE("what is no job is refused with its reason", "[zeromq]") {
  const auto why = [](Frames frames) {
    Job job;
    return ReadJob(frames, job);
  };
  CHECK(why({}) == "the name of a task is missing");
  CHECK(why({"", "{}"}) == "the name of a task is missing");
  CHECK(why({"a", "b", "c", "d"}) == "it has 4 frames, not task, payload and id");
  CHECK(why({std::string(1'001, 'a')}) == "the name of the task is longer than 1000 bytes");
  CHECK(why({"a", "b", std::string(256, 'c')}) == "the id is longer than 255 bytes");
}

TEST_CASE("an answer takes the envelope back and is read again", "[zeromq]") {
  Frames frames = MakeAnswer({{"me", ""}, "id"}, false, "{}");
  CHECK(frames == Frames{"me", "", "fail", "{}", "id"});
  CHECK(MakeAnswer({{"me"}, ""}, true, "5") == Frames{"me", "done", "5"});

  frames.erase(frames.begin());  // as the caller gets it
  const auto reply = ReadAnswer(frames);

  REQUIRE(reply);
  CHECK(reply->state == Reply::State::kFailed);
  CHECK(reply->bytes == "{}");
  CHECK(reply->id == "id");
}

TEST_CASE("what is no answer is not taken for one", "[zeromq]") {
  for (Frames frames : {Frames{}, Frames{""}, Frames{"done"}, Frames{"Done", "5"}}) {
    CHECK_FALSE(ReadAnswer(frames));
  }
}

TEST_CASE("an error is a JSON object whatever stands in it", "[zeromq]") {
  CHECK(MakeError("no \"x\"") == R"({"message":"no \"x\""})");
}

}  // namespace
}  // namespace workmand::zeromq
