// Messages of AMQP: those that came, and those to be sent. One thread.
#pragma once

#include <amqp.h>
#include <array>
#include <cstdint>
#include <forward_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace workmand::amqp {

// What workman keeps in the headers of a message.
inline constexpr std::string_view kEndsHeader = "x-workmand-ends";  ///< attempts that are over
inline constexpr std::string_view kDeliveriesHeader = "x-workmand-deliveries";  ///< those before
inline constexpr std::string_view kMaxHeader = "x-workmand-max";
inline constexpr std::string_view kProgressHeader = "x-workmand-progress";  ///< the caller reads it
inline constexpr std::string_view kErrorHeader = "x-workmand-error";
inline constexpr std::string_view kFailedAtHeader = "x-workmand-failed-at";
inline constexpr std::string_view kNumeratorHeader = "x-workmand-numerator";
inline constexpr std::string_view kDenominatorHeader = "x-workmand-denominator";
/// The highest priority; 0 is that of a message without one.
inline constexpr std::uint8_t kHighestPriority = 2;

[[nodiscard]] inline std::string_view View(amqp_bytes_t bytes) {
  return {static_cast<const char*>(bytes.bytes), bytes.len};
}
/// Borrows `text`.
[[nodiscard]] inline amqp_bytes_t Bytes(std::string_view text) {
  // The library never writes to what it sends.
  return {text.size(), const_cast<char*>(text.data())};  // NOLINT(*-const-cast)
}

// Arguments of queues; they borrow their texts.
[[nodiscard]] amqp_table_entry_t TextEntry(std::string_view key, std::string_view text);
[[nodiscard]] amqp_table_entry_t NumberEntry(std::string_view key, std::int64_t number);
/// Borrows the entries.
[[nodiscard]] amqp_table_t TableOf(std::vector<amqp_table_entry_t>& entries);

/// The properties of a message, with memory of their own.
class Properties {
 public:
  Properties() = default;
  explicit Properties(const amqp_basic_properties_t& source);

  [[nodiscard]] const amqp_basic_properties_t& raw() const { return raw_; }
  /// Empty when the message has none.
  [[nodiscard]] std::string_view id() const;
  [[nodiscard]] std::string_view type() const;
  [[nodiscard]] std::string_view reply_to() const;
  [[nodiscard]] std::string_view correlation_id() const;
  [[nodiscard]] std::string_view content_type() const;
  [[nodiscard]] std::int64_t timestamp() const;  ///< s; 0 = none
  [[nodiscard]] int priority() const;            ///< -1 = none
  [[nodiscard]] std::string_view Text(std::string_view header) const;
  [[nodiscard]] std::int64_t Number(std::string_view header) const;  ///< 0 = none, or no number
  [[nodiscard]] double Real(std::string_view header) const;
  [[nodiscard]] bool IsTrue(std::string_view header) const;

 private:
  struct FreePool {
    void operator()(amqp_pool_t* pool) const;
  };
  [[nodiscard]] const amqp_field_value_t* Find(std::string_view header) const;
  [[nodiscard]] std::string_view Field(amqp_flags_t flag, amqp_bytes_t bytes) const;

  std::unique_ptr<amqp_pool_t, FreePool> pool_;
  amqp_basic_properties_t raw_{};
};

struct Message {
  std::uint64_t tag = 0;  ///< of the delivery, on its channel
  std::uint64_t consumer = 0;
  bool redelivered = false;
  Properties properties;
  std::string body;
};

/// The properties of a message to be sent. Borrows every text that it is given until it is sent.
class Outgoing {
 public:
  Outgoing();
  /// All of `source`, but for what workman and the server write themselves: counters, history.
  void CopyFrom(const Properties& source);

  void SetId(std::string_view id);
  void SetType(std::string_view type);
  void SetReplyTo(std::string_view name);
  void SetCorrelationId(std::string_view id);
  void SetContent(std::string_view type, std::string_view encoding);
  void SetPriority(std::uint8_t priority);
  void SetTimestamp(std::uint64_t seconds);
  void SetExpiration(std::string_view ms);
  void Add(std::string_view header, std::int64_t number);
  void Add(std::string_view header, double number);
  void Add(std::string_view header, std::string_view text);
  void AddFalse(std::string_view header);
  void AddNull(std::string_view header);
  void AddTwoNulls(std::string_view header);  ///< an array of them
  /// Keeps a text for as long as this lives, for what only borrows.
  std::string_view Keep(std::string text);

  /// To send; good until the next change.
  [[nodiscard]] const amqp_basic_properties_t& Finish();

 private:
  amqp_basic_properties_t raw_{};
  std::vector<amqp_table_entry_t> headers_;
  std::forward_list<std::string> kept_;
  std::array<amqp_field_value_t, 2> nulls_{};
};

}  // namespace workmand::amqp
