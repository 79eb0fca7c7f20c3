#include "daemon/queue/drivers/kafka_record.h"

#include <charconv>
#include <chrono>
#include <optional>

namespace workmand::kafka {
namespace {

/// The task has the plain name that a producer of another kind would choose; ours are marked.
constexpr const char* kTask = "task";
constexpr const char* kId = "workman-id";
constexpr const char* kAttempt = "workman-attempt";
constexpr const char* kDeliveries = "workman-deliveries";
constexpr const char* kMaxAttempts = "workman-max-attempts";
constexpr const char* kNotBefore = "workman-not-before";
constexpr const char* kEnqueuedAt = "workman-enqueued-at";
constexpr const char* kError = "workman-error";
constexpr const char* kFailedAt = "workman-failed-at";

std::string_view Header(const rd_kafka_headers_t* headers, const char* name) {
  const void* value = nullptr;
  std::size_t size = 0;
  if (headers == nullptr || rd_kafka_header_get_last(headers, name, &value, &size) != 0) return {};
  return {static_cast<const char*>(value), value == nullptr ? 0 : size};
}

template <typename Number>
Number NumberIn(const rd_kafka_headers_t* headers, const char* name, Number fallback) {
  const std::string_view text = Header(headers, name);
  Number number = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool good = end.ec == std::errc() && end.ptr == text.data() + text.size() && number >= 0;
  return good ? number : fallback;
}

void Add(rd_kafka_headers_t* headers, const char* name, std::string_view value) {
  (void)rd_kafka_header_add(headers, name, -1, value.data(), static_cast<ssize_t>(value.size()));
}

template <typename Number>
void AddNumber(rd_kafka_headers_t* headers, const char* name, Number value, Number usual) {
  if (value != usual) Add(headers, name, std::to_string(value));
}

}  // namespace

std::int64_t NowMs() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

std::string IdOfPlace(std::string_view topic, std::int32_t partition, std::int64_t offset) {
  return std::string(topic) + "-" + std::to_string(partition) + "-" + std::to_string(offset);
}

Record ReadRecord(const rd_kafka_message_t& message) {
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) headers = nullptr;
  Record record;
  Job& job = record.job;
  job.task = Header(headers, kTask);
  job.id = Header(headers, kId);
  if (job.id.empty()) {
    job.id = IdOfPlace(rd_kafka_topic_name(message.rkt), message.partition, message.offset);
  }
  job.payload.assign(static_cast<const char*>(message.payload), message.len);
  job.attempt = NumberIn(headers, kAttempt, 1);
  job.deliveries = NumberIn(headers, kDeliveries, 1);
  job.max_attempts = NumberIn(headers, kMaxAttempts, 0);
  job.drops_result = true;
  rd_kafka_timestamp_type_t type{};
  const std::int64_t written = rd_kafka_message_timestamp(&message, &type);
  job.enqueued_at_ms =
      NumberIn<std::int64_t>(headers, kEnqueuedAt, written > 0 ? written : std::int64_t{0});
  record.not_before_ms = NumberIn<std::int64_t>(headers, kNotBefore, 0);
  record.error = Header(headers, kError);
  record.failed_at_ms = NumberIn<std::int64_t>(headers, kFailedAt, 0);
  return record;
}

rd_kafka_headers_t* MakeHeaders(const Record& record, bool with_id) {
  constexpr std::size_t kExpected = 6;
  rd_kafka_headers_t* const headers = rd_kafka_headers_new(kExpected);
  const Job& job = record.job;
  Add(headers, kTask, job.task);
  if (with_id) Add(headers, kId, job.id);
  AddNumber(headers, kAttempt, job.attempt, 1);
  AddNumber(headers, kDeliveries, job.deliveries, 1);
  AddNumber(headers, kMaxAttempts, job.max_attempts, 0);
  AddNumber<std::int64_t>(headers, kNotBefore, record.not_before_ms, 0);
  AddNumber<std::int64_t>(headers, kEnqueuedAt, job.enqueued_at_ms, 0);
  if (!record.error.empty()) Add(headers, kError, record.error);
  AddNumber<std::int64_t>(headers, kFailedAt, record.failed_at_ms, 0);
  return headers;
}

}  // namespace workmand::kafka
