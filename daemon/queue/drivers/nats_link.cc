#include "daemon/queue/drivers/nats_link.h"

#include <cstdlib>
#include <poll.h>

namespace workmand::nats {
namespace {

using SharedMailbox = std::shared_ptr<Mailbox>;

struct DestroyOptions {
  void operator()(natsOptions* options) const { natsOptions_Destroy(options); }
};

/// What a callback is given: a share of the mailbox of its own, freed by the last callback.
void* Share(const SharedMailbox& mailbox) {
  return new SharedMailbox(mailbox);
}
Mailbox& Of(void* closure) {
  return **static_cast<SharedMailbox*>(closure);
}
void FreeShare(void* closure) {
  delete static_cast<SharedMailbox*>(closure);
}

void OnMessage(natsConnection* /*connection*/, natsSubscription* /*sub*/, natsMsg* message,
               void* closure) {
  const auto text = [](const char* words) { return std::string(words == nullptr ? "" : words); };
  Mail mail;
  mail.subject = text(natsMsg_GetSubject(message));
  mail.reply = text(natsMsg_GetReply(message));
  const int size = natsMsg_GetDataLength(message);
  if (size > 0) mail.bytes.assign(natsMsg_GetData(message), static_cast<std::size_t>(size));
  const char* status = nullptr;
  if (mail.reply.empty() && natsMsgHeader_Get(message, "Status", &status) == NATS_OK) {
    mail.status = std::atoi(status);  // NOLINT(cert-err34-c): 0 is what it is if it is no number
  }
  natsMsg_Destroy(message);
  Of(closure).Add(std::move(mail));
}

void OnClosed(natsConnection* /*connection*/, void* closure) {
  Of(closure).Break();
  FreeShare(closure);
}

}  // namespace

void Mailbox::Add(Mail mail) {
  const std::lock_guard lock(mutex_);
  mails_.push_back(std::move(mail));
  bell_.Wake();
}

void Mailbox::Break() {
  const std::lock_guard lock(mutex_);
  broken_ = true;
  bell_.Wake();
}

std::optional<Mail> Mailbox::Take() {
  const std::lock_guard lock(mutex_);
  if (mails_.empty()) {
    (void)bell_.Take();
    return std::nullopt;
  }
  Mail mail = std::move(mails_.front());
  mails_.pop_front();
  return mail;
}

bool Mailbox::broken() {
  const std::lock_guard lock(mutex_);
  return broken_;
}

void Link::Lose(const std::string& why) {
  Close();
  throw ConnectionLost("nats " + name_ + ": " + why);
}

void Link::Check(natsStatus status, const char* what) {
  if (status == NATS_OK) return;
  const char* const last = nats_GetLastError(nullptr);
  std::string why = std::string(what) + ": " + natsStatus_GetText(status);
  if (last != nullptr && *last != '\0') why += std::string(" (") + last + ")";
  Lose(why);
}

void Link::Close() noexcept {
  subscription_.reset();
  context_.reset();
  connection_.reset();
}

void Link::Open(const Address& address) {
  Close();
  const bool bare_ipv6 = address.host.find(':') != std::string::npos;
  name_ =
      (bare_ipv6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
  mailbox_ = std::make_shared<Mailbox>();
  natsOptions* made = nullptr;
  Check(natsOptions_Create(&made), "options");
  const std::unique_ptr<natsOptions, DestroyOptions> options(made);
  const std::string url = "nats://" + name_;
  Check(natsOptions_SetURL(made, url.c_str()), "url");
  Check(natsOptions_SetTimeout(made, kPatience.count()), "time-out");
  // The pump connects again, with pauses of its own.
  Check(natsOptions_SetAllowReconnect(made, false), "reconnect");
  if (!address.user.empty()) {
    Check(natsOptions_SetUserInfo(made, address.user.c_str(), address.password.c_str()), "user");
  }
  void* const share = Share(mailbox_);
  natsStatus status = natsOptions_SetClosedCB(made, OnClosed, share);
  natsConnection* connection = nullptr;
  if (status == NATS_OK) status = natsConnection_Connect(&connection, made);
  // A connection that never was tells nobody that it is closed.
  if (status != NATS_OK) FreeShare(share);
  Check(status, "connect");
  connection_.reset(connection);

  natsInbox* inbox = nullptr;
  Check(natsInbox_Create(&inbox), "inbox");
  inbox_ = inbox;
  natsInbox_Destroy(inbox);
  natsSubscription* subscription = nullptr;
  void* const other = Share(mailbox_);
  status = natsConnection_Subscribe(&subscription, connection, (inbox_ + ".*").c_str(), OnMessage,
                                    other);
  if (status != NATS_OK) FreeShare(other);
  Check(status, "subscribe");
  subscription_.reset(subscription);
  Check(natsSubscription_SetOnCompleteCB(subscription, FreeShare, other), "subscribe");
  Check(natsSubscription_SetPendingLimits(subscription, -1, -1), "subscribe");
  jsCtx* context = nullptr;
  jsOptions choices;
  Check(jsOptions_Init(&choices), "JetStream");
  choices.Wait = kPatience.count();
  Check(natsConnection_JetStream(&context, connection, &choices), "JetStream");
  context_.reset(context);
}

std::string Link::Inbox(std::string_view word) const {
  return inbox_ + "." + std::string(word);
}

void Link::Publish(const std::string& subject, const std::string& reply, std::string_view bytes) {
  if (!open()) throw ConnectionLost("nats: not connected");
  const auto size = static_cast<int>(bytes.size());
  Check(reply.empty()
            ? natsConnection_Publish(connection_.get(), subject.c_str(), bytes.data(), size)
            : natsConnection_PublishRequest(connection_.get(), subject.c_str(), reply.c_str(),
                                            bytes.data(), size),
        "publish");
}

std::optional<Mail> Link::AwaitUntil(TimePoint deadline, const Waker* waker) {
  if (!open()) throw ConnectionLost("nats: not connected");
  for (;;) {
    if (auto mail = mailbox_->Take()) return mail;
    if (mailbox_->broken()) Lose("the connection is closed");
    const Duration left = Until(Clock::now(), deadline);
    if (waker != nullptr) {
      if (waker->Wait(mailbox_->fd(), POLLIN, left) != Waker::Why::kReady) return std::nullopt;
      continue;
    }
    pollfd one{mailbox_->fd(), POLLIN, 0};
    const int ms = static_cast<int>(std::min(left, Duration{1'000'000}).count());
    if (poll(&one, 1, ms) == 0) return std::nullopt;
  }
}

}  // namespace workmand::nats
