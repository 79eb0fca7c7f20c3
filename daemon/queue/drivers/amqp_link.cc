#include "daemon/queue/drivers/amqp_link.h"

#include <algorithm>
#include <amqp_framing.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <charconv>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

namespace workmand::amqp {
namespace {

constexpr amqp_channel_t kChannel = 1;
constexpr amqp_channel_t kLookChannel = 2;
constexpr int kFrameSize = 131'072;
constexpr int kHeartbeatSeconds = 30;
constexpr timeval kConnectTimeout{3, 0};
constexpr timeval kAnswerTimeout{5, 0};
constexpr Duration kConfirmTimeout{10'000};
/// A server that takes no bytes for so long is gone; one that is short of memory takes none.
constexpr unsigned kSendTimeoutMs = 10'000;
/// No wait is longer, so that heartbeats go out in time.
constexpr Duration kLongestPoll{10'000};

std::string TagOf(std::uint64_t consumer) {
  return "workman-" + std::to_string(consumer);
}

std::uint64_t NumberOf(std::string_view tag) {
  std::uint64_t number = 0;
  tag.remove_prefix(std::min(tag.size(), std::string_view("workman-").size()));
  std::from_chars(tag.data(), tag.data() + tag.size(), number);
  return number;
}

std::string ServerText(const amqp_method_t& method) {
  if (method.id == AMQP_CHANNEL_CLOSE_METHOD) {
    return std::string(View(static_cast<amqp_channel_close_t*>(method.decoded)->reply_text));
  }
  if (method.id == AMQP_CONNECTION_CLOSE_METHOD) {
    return std::string(View(static_cast<amqp_connection_close_t*>(method.decoded)->reply_text));
  }
  return "unexpected answer of the server";
}

}  // namespace

void Link::Drop() noexcept {
  if (connection_ != nullptr) amqp_destroy_connection(connection_);
  connection_ = nullptr;
  messages_.clear();
  unconfirmed_.clear();
  published_ = 0;
  left_ = 0;
  looking_ = false;
}

void Link::Lose(const std::string& why) {
  Drop();
  throw ConnectionLost("amqp " + name_ + ": " + why);
}

void Link::Close() noexcept {
  if (connection_ != nullptr) (void)amqp_connection_close(connection_, AMQP_REPLY_SUCCESS);
  Drop();
}

void Link::Check(const amqp_rpc_reply_t& reply, std::string_view what) {
  if (reply.reply_type == AMQP_RESPONSE_NORMAL) return;
  const std::string before = std::string(what) + ": ";
  if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION) Lose(before + ServerText(reply.reply));
  Lose(before + amqp_error_string2(reply.library_error));
}

void Link::CheckStatus(int status, std::string_view what) {
  if (status < 0) Lose(std::string(what) + ": " + amqp_error_string2(status));
}

void Link::OpenSocket(const Settings& settings) {
  amqp_socket_t* const socket =
      settings.tls ? amqp_ssl_socket_new(connection_) : amqp_tcp_socket_new(connection_);
  if (socket == nullptr) Lose("out of memory");
  if (settings.tls) {
    CheckStatus(amqp_ssl_socket_set_cacert(socket, settings.ca_file.c_str()),
                "ca_file " + settings.ca_file);
    amqp_ssl_socket_set_verify_peer(socket, 1);
    amqp_ssl_socket_set_verify_hostname(socket, 1);
  }
  CheckStatus(
      amqp_socket_open_noblock(socket, settings.host.c_str(), settings.port, &kConnectTimeout),
      "connecting");
  setsockopt(amqp_get_sockfd(connection_), IPPROTO_TCP, TCP_USER_TIMEOUT, &kSendTimeoutMs,
             sizeof kSendTimeoutMs);
}

void Link::Open(const Settings& settings) {
  Close();
  name_ = settings.Name();
  connection_ = amqp_new_connection();
  if (connection_ == nullptr) Lose("out of memory");
  (void)amqp_set_handshake_timeout(connection_, &kAnswerTimeout);
  (void)amqp_set_rpc_timeout(connection_, &kAnswerTimeout);
  OpenSocket(settings);
  Check(amqp_login(connection_, settings.vhost.c_str(), AMQP_DEFAULT_MAX_CHANNELS, kFrameSize,
                   kHeartbeatSeconds, AMQP_SASL_METHOD_PLAIN, settings.user.c_str(),
                   settings.password.c_str()),
        "signing in");
  amqp_channel_open(connection_, kChannel);
  Check(amqp_get_rpc_reply(connection_), "opening a channel");
  amqp_confirm_select(connection_, kChannel);
  Check(amqp_get_rpc_reply(connection_), "asking for confirms");
}

std::uint32_t Link::Declare(const std::string& queue, amqp_table_t arguments) {
  if (!open()) throw ConnectionLost("amqp: not connected");
  const amqp_queue_declare_ok_t* const answer =
      amqp_queue_declare(connection_, kChannel, Bytes(queue), 0, 1, 0, 0, arguments);
  Check(amqp_get_rpc_reply(connection_), "queue " + queue);
  return answer->message_count;
}

bool Link::Exists(const std::string& queue) {
  if (!open()) throw ConnectionLost("amqp: not connected");
  OpenLook();
  (void)amqp_queue_declare(connection_, kLookChannel, Bytes(queue), 1, 0, 0, 0, amqp_empty_table);
  const amqp_rpc_reply_t reply = amqp_get_rpc_reply(connection_);
  const bool refused = reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION &&
                       reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD;
  if (!refused) {
    Check(reply, "queue " + queue);
    CloseLook();
    return true;
  }
  const auto code = static_cast<amqp_channel_close_t*>(reply.reply.decoded)->reply_code;
  if (code != AMQP_NOT_FOUND) Check(reply, "queue " + queue);
  // The server has closed the channel, and waits for our word.
  amqp_channel_close_ok_t ok{};
  CheckStatus(amqp_send_method(connection_, kLookChannel, AMQP_CHANNEL_CLOSE_OK_METHOD, &ok),
              "closing a channel");
  looking_ = false;
  return false;
}

void Link::Consume(const std::string& queue, std::uint64_t consumer, bool no_ack) {
  const std::string tag = TagOf(consumer);
  amqp_basic_consume_t method{};
  method.queue = Bytes(queue);
  method.consumer_tag = Bytes(tag);
  method.no_ack = no_ack ? 1 : 0;
  method.nowait = 1;
  CheckStatus(amqp_send_method(connection_, kChannel, AMQP_BASIC_CONSUME_METHOD, &method),
              "consuming");
}

void Link::Cancel(std::uint64_t consumer) {
  const std::string tag = TagOf(consumer);
  amqp_basic_cancel_t method{Bytes(tag), 1};
  CheckStatus(amqp_send_method(connection_, kChannel, AMQP_BASIC_CANCEL_METHOD, &method),
              "cancelling");
}

void Link::SetPrefetch(std::uint16_t n, bool shared) {
  // The answer comes among the frames, and tells nothing.
  amqp_basic_qos_t method{0, n, shared ? 1 : 0};
  CheckStatus(amqp_send_method(connection_, kChannel, AMQP_BASIC_QOS_METHOD, &method), "prefetch");
}

void Link::Ack(std::uint64_t tag, bool multiple) {
  CheckStatus(amqp_basic_ack(connection_, kChannel, tag, multiple ? 1 : 0), "acknowledging");
}

void Link::Publish(std::string_view queue, Outgoing& properties, std::string_view body,
                   bool must_arrive) {
  if (!open()) throw ConnectionLost("amqp: not connected");
  CheckStatus(amqp_basic_publish(connection_, kChannel, amqp_empty_bytes, Bytes(queue),
                                 must_arrive ? 1 : 0, 0, &properties.Finish(), Bytes(body)),
              "sending");
  unconfirmed_.insert(++published_);
}

void Link::AwaitConfirms() {
  const TimePoint until = After(Clock::now(), kConfirmTimeout);
  for (;;) {
    if (unconfirmed_.empty()) return;
    Read();
    if (unconfirmed_.empty()) return;
    if (!Wait(until, nullptr)) Lose("messages were not confirmed within 10 s");
  }
}

void Link::Read() {
  if (!open()) throw ConnectionLost("amqp: not connected");
  for (;;) {
    amqp_frame_t frame;
    const timeval at_once{0, 0};
    const int status = amqp_simple_wait_frame_noblock(connection_, &frame, &at_once);
    if (status == AMQP_STATUS_TIMEOUT) return;
    CheckStatus(status, "reading");
    if (frame.channel == kChannel || frame.channel == 0) TakeFrame(frame);
    amqp_maybe_release_buffers(connection_);
  }
}

bool Link::Wait(TimePoint until, const Waker* waker) {
  const int fd = amqp_get_sockfd(connection_);
  const Duration left = Until(Clock::now(), until);
  const Duration part = std::min(left, kLongestPoll);
  if (waker != nullptr) {
    const Waker::Why why = waker->Wait(fd, POLLIN, part);
    return why == Waker::Why::kReady || (why == Waker::Why::kTimeout && part < left);
  }
  pollfd one{fd, POLLIN, 0};
  const int ready = poll(&one, 1, static_cast<int>(part.count()));
  return ready != 0 || part < left;
}

void Link::TakeFrame(const amqp_frame_t& frame) {
  if (frame.frame_type == AMQP_FRAME_METHOD) {
    TakeMethod(frame.payload.method);
  } else if (frame.frame_type == AMQP_FRAME_HEADER) {
    coming_.properties =
        Properties(*static_cast<const amqp_basic_properties_t*>(frame.payload.properties.decoded));
    left_ = frame.payload.properties.body_size;
    if (left_ == 0) FinishMessage();
  } else if (frame.frame_type == AMQP_FRAME_BODY) {
    const std::string_view part = View(frame.payload.body_fragment);
    coming_.body += part;
    left_ -= std::min<std::uint64_t>(left_, part.size());
    if (left_ == 0) FinishMessage();
  }
}

void Link::TakeMethod(const amqp_method_t& method) {
  switch (method.id) {
    case AMQP_BASIC_DELIVER_METHOD: {
      const auto& deliver = *static_cast<const amqp_basic_deliver_t*>(method.decoded);
      coming_ = Message();
      coming_.tag = deliver.delivery_tag;
      coming_.consumer = NumberOf(View(deliver.consumer_tag));
      coming_.redelivered = deliver.redelivered != 0;
      coming_is_return_ = false;
      return;
    }
    case AMQP_BASIC_RETURN_METHOD:
      coming_ = Message();
      coming_is_return_ = true;
      return;
    case AMQP_BASIC_ACK_METHOD: {
      const auto& ack = *static_cast<const amqp_basic_ack_t*>(method.decoded);
      return Confirm(ack.delivery_tag, ack.multiple != 0);
    }
    case AMQP_BASIC_NACK_METHOD: Lose("the server refused to keep a message");
    case AMQP_BASIC_CANCEL_METHOD: Lose("the queue was deleted, or its server is gone");
    case AMQP_CHANNEL_CLOSE_METHOD:
    case AMQP_CONNECTION_CLOSE_METHOD: Lose("closed by the server: " + ServerText(method));
    default: return;  // answers that tell nothing
  }
}

void Link::Confirm(std::uint64_t number, bool multiple) {
  if (multiple) {
    unconfirmed_.erase(unconfirmed_.begin(), unconfirmed_.upper_bound(number));
  } else {
    unconfirmed_.erase(number);
  }
}

void Link::FinishMessage() {
  if (coming_is_return_) Lose("a message had no queue to go to: was it deleted?");
  messages_.push_back(std::move(coming_));
  coming_ = Message();
}

void Link::OpenLook() {
  if (looking_) return;
  amqp_channel_open(connection_, kLookChannel);
  Check(amqp_get_rpc_reply(connection_), "opening a channel");
  looking_ = true;
}

bool Link::Look(const std::string& queue, Message& message) {
  if (!open()) throw ConnectionLost("amqp: not connected");
  OpenLook();
  const amqp_rpc_reply_t reply = amqp_basic_get(connection_, kLookChannel, Bytes(queue), 0);
  Check(reply, "reading queue " + queue);
  if (reply.reply.id != AMQP_BASIC_GET_OK_METHOD) return false;
  message = Message();
  message.tag = static_cast<amqp_basic_get_ok_t*>(reply.reply.decoded)->delivery_tag;
  amqp_message_t whole;
  Check(amqp_read_message(connection_, kLookChannel, &whole, 0), "reading queue " + queue);
  message.properties = Properties(whole.properties);
  message.body = View(whole.body);
  amqp_destroy_message(&whole);
  return true;
}

void Link::AckLooked(std::uint64_t tag) {
  CheckStatus(amqp_basic_ack(connection_, kLookChannel, tag, 0), "acknowledging");
}

void Link::CloseLook() {
  if (!looking_) return;
  looking_ = false;
  Check(amqp_channel_close(connection_, kLookChannel, AMQP_REPLY_SUCCESS), "closing a channel");
}

}  // namespace workmand::amqp
