#include "daemon/queue/drivers/zeromq_message.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "protocol/json_text.h"

namespace workmand::zeromq {
namespace {

constexpr std::string_view kDone = "done";
constexpr std::string_view kFail = "fail";

}  // namespace

void TakeEnvelope(Frames& frames, Frames& envelope) {
  // A task is never empty, so an empty frame right behind the identity ends the envelope. One that
  // comes later may also be the payload of a job without an envelope: [identity, task, ""] and
  // [identity, task, "", id]. A REQ socket that correlates, and a proxy, put a frame before it, and
  // then task and payload must follow.
  const auto empty = std::find_if(std::next(frames.begin()), frames.end(),
                                  [](const std::string& frame) { return frame.empty(); });
  auto body = std::next(frames.begin());
  if (empty == body) {
    body = empty == frames.end() ? body : std::next(empty);
  } else if (std::distance(empty, frames.end()) > 2) {
    body = std::next(empty);
  }
  envelope.assign(std::move_iterator(frames.begin()), std::move_iterator(body));
  frames.erase(frames.begin(), body);
}

std::string ReadJob(Frames& frames, Job& job) {
  constexpr std::size_t kMostFrames = 3;
  constexpr std::size_t kLongestId = 255;
  if (frames.empty() || frames[0].empty()) return "the name of a task is missing";
  if (frames.size() > kMostFrames) {
    return "it has " + std::to_string(frames.size()) + " frames, not task, payload and id";
  }
  // Both go into the log.
  if (frames[0].size() > kLongestTask) return "the name of the task is longer than 1000 bytes";
  if (frames.size() > 2 && frames[2].size() > kLongestId) return "the id is longer than 255 bytes";
  job.task = std::move(frames[0]);
  if (frames.size() > 1) job.payload = std::move(frames[1]);
  if (frames.size() > 2) job.id = std::move(frames[2]);
  return {};
}

Frames MakeJob(const Enqueue& job, const std::string& id) {
  return {job.task, job.payload, id};
}

Frames MakeAnswer(const Route& route, bool done, std::string_view bytes) {
  Frames frames = route.envelope;
  frames.emplace_back(done ? kDone : kFail);
  frames.emplace_back(bytes);
  if (!route.id.empty()) frames.push_back(route.id);
  return frames;
}

std::optional<Reply> ReadAnswer(Frames& frames) {
  if (!frames.empty() && frames[0].empty()) frames.erase(frames.begin());
  if (frames.size() < 2 || (frames[0] != kDone && frames[0] != kFail)) return std::nullopt;
  Reply reply;
  reply.state = frames[0] == kDone ? Reply::State::kDone : Reply::State::kFailed;
  reply.bytes = std::move(frames[1]);
  if (frames.size() > 2) reply.id = std::move(frames[2]);
  return reply;
}

std::string MakeError(std::string_view message) {
  std::string json = R"({"message":)";
  workman::protocol::AppendString(json, message);
  json += "}";
  return json;
}

}  // namespace workmand::zeromq
