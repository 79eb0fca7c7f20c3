#include "daemon/queue/drivers/redis_link.h"

#include <cstring>
#include <poll.h>
#include <sys/socket.h>

namespace workmand::redis {

std::string_view Text(const redisReply* reply) {
  const bool is_text =
      reply != nullptr && (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS ||
                           reply->type == REDIS_REPLY_ERROR);
  return is_text ? std::string_view(reply->str, reply->len) : std::string_view();
}

long long Number(const redisReply* reply) {
  return reply != nullptr && reply->type == REDIS_REPLY_INTEGER ? reply->integer : 0;
}

std::span<redisReply* const> Elements(const redisReply* reply) {
  if (reply == nullptr || reply->type != REDIS_REPLY_ARRAY) return {};
  return {reply->element, reply->elements};
}

const redisReply* At(const redisReply* reply, std::size_t i) {
  const auto elements = Elements(reply);
  return i < elements.size() ? elements[i] : nullptr;
}

void Link::Lose(const std::string& why) {
  Close();
  throw ConnectionLost("redis " + name_ + ": " + why);
}

void Link::Close() noexcept {
  if (context_ != nullptr) redisFree(context_);
  context_ = nullptr;
  due_ = 0;
}

void Link::Open(const Address& address) {
  Close();
  name_ = address.Name();
  // The name is resolved here and now; a resolver that hangs is the one wait without an end.
  context_ = redisConnectNonBlock(address.host.c_str(), address.port);
  if (context_ == nullptr) throw ConnectionLost("redis " + name_ + ": out of memory");
  if (context_->err != 0) Lose(context_->errstr);
  FinishConnect(address);
}

void Link::FinishConnect(const Address& address) {
  if (!WaitForSocket(true, After(Clock::now(), kConnectTimeout), nullptr)) {
    Lose("no connection within 3 s");
  }
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(context_->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) Lose(std::strerror(error));
  if (!address.password.empty()) {
    Args words = {"AUTH"};
    if (!address.user.empty()) words.push_back(address.user);
    words.push_back(address.password);
    Expect(words);
  }
  Expect({"SELECT", std::to_string(address.database)});
}

void Link::Expect(const Args& words) {
  Send(words);
  const Reply reply = Await();
  if (reply->type == REDIS_REPLY_ERROR) Lose(std::string(Text(reply.get())));
}

void Link::Send(const Args& words) {
  if (context_ == nullptr) throw ConnectionLost("redis: not connected");
  std::vector<const char*> texts;
  std::vector<std::size_t> sizes;
  texts.reserve(words.size());
  sizes.reserve(words.size());
  for (const std::string& word : words) {
    texts.push_back(word.data());
    sizes.push_back(word.size());
  }
  if (redisAppendCommandArgv(context_, static_cast<int>(words.size()), texts.data(),
                             sizes.data()) != REDIS_OK) {
    Lose(context_->errstr);
  }
  ++due_;
}

Reply Link::TakeBuffered() {
  void* reply = nullptr;
  if (redisGetReplyFromReader(context_, &reply) != REDIS_OK) Lose(context_->errstr);
  if (reply != nullptr) --due_;
  return Reply(static_cast<redisReply*>(reply));
}

bool Link::WaitForSocket(bool writing, TimePoint deadline, const Waker* waker) const {
  const auto events = static_cast<short>(POLLIN | (writing ? POLLOUT : 0));
  if (waker != nullptr) {
    return waker->Wait(context_->fd, events, Until(Clock::now(), deadline)) == Waker::Why::kReady;
  }
  for (;;) {
    pollfd one{context_->fd, events, 0};
    const Duration left = std::min(Until(Clock::now(), deadline), Duration{1'000'000});
    const int ready = poll(&one, 1, static_cast<int>(left.count()));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

Reply Link::AwaitUntil(TimePoint deadline, const Waker* waker) {
  if (context_ == nullptr) throw ConnectionLost("redis: not connected");
  for (;;) {
    if (Reply reply = TakeBuffered()) return reply;
    int all_sent = 0;
    if (redisBufferWrite(context_, &all_sent) != REDIS_OK) Lose(context_->errstr);
    if (!WaitForSocket(all_sent == 0, deadline, waker)) return nullptr;
    if (redisBufferRead(context_) != REDIS_OK) Lose(context_->errstr);
  }
}

Reply Link::Await() {
  Reply reply = AwaitUntil(After(Clock::now(), kReplyTimeout), nullptr);
  if (!reply) Lose("no answer within 5 s");
  return reply;
}

}  // namespace workmand::redis
