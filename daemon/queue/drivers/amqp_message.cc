#include "daemon/queue/drivers/amqp_message.h"

#include <array>
#include <charconv>
#include <cstring>
#include <new>
#include <utility>

namespace workmand::amqp {
namespace {

constexpr std::uint8_t kPersistent = 2;
constexpr std::size_t kPoolPage = 512;

struct TextField {
  amqp_flags_t flag;
  amqp_bytes_t amqp_basic_properties_t::*text;
};
constexpr auto kTexts = std::to_array<TextField>({
    {AMQP_BASIC_CONTENT_TYPE_FLAG, &amqp_basic_properties_t::content_type},
    {AMQP_BASIC_CONTENT_ENCODING_FLAG, &amqp_basic_properties_t::content_encoding},
    {AMQP_BASIC_CORRELATION_ID_FLAG, &amqp_basic_properties_t::correlation_id},
    {AMQP_BASIC_REPLY_TO_FLAG, &amqp_basic_properties_t::reply_to},
    {AMQP_BASIC_EXPIRATION_FLAG, &amqp_basic_properties_t::expiration},
    {AMQP_BASIC_MESSAGE_ID_FLAG, &amqp_basic_properties_t::message_id},
    {AMQP_BASIC_TYPE_FLAG, &amqp_basic_properties_t::type},
    {AMQP_BASIC_USER_ID_FLAG, &amqp_basic_properties_t::user_id},
    {AMQP_BASIC_APP_ID_FLAG, &amqp_basic_properties_t::app_id},
    {AMQP_BASIC_CLUSTER_ID_FLAG, &amqp_basic_properties_t::cluster_id},
});

amqp_table_entry_t MakeEntry(std::string_view key, amqp_field_value_kind_t kind) {
  amqp_table_entry_t entry{};
  entry.key = Bytes(key);
  entry.value.kind = static_cast<std::uint8_t>(kind);
  return entry;
}

/// Headers that do not go with a message that is sent again.
bool IsOurs(std::string_view name) {
  return name.starts_with("x-workmand-") || name == "x-death" || name == "x-delivery-count" ||
         name.starts_with("x-first-death-") || name.starts_with("x-last-death-");
}

}  // namespace

amqp_table_entry_t TextEntry(std::string_view key, std::string_view text) {
  amqp_table_entry_t entry = MakeEntry(key, AMQP_FIELD_KIND_UTF8);
  entry.value.value.bytes = Bytes(text);
  return entry;
}

amqp_table_entry_t NumberEntry(std::string_view key, std::int64_t number) {
  amqp_table_entry_t entry = MakeEntry(key, AMQP_FIELD_KIND_I64);
  entry.value.value.i64 = number;
  return entry;
}

amqp_table_t TableOf(std::vector<amqp_table_entry_t>& entries) {
  return {static_cast<int>(entries.size()), entries.data()};
}

void Properties::FreePool::operator()(amqp_pool_t* pool) const {
  empty_amqp_pool(pool);
  delete pool;  // NOLINT(cppcoreguidelines-owning-memory): this is the owner
}

Properties::Properties(const amqp_basic_properties_t& source) : pool_(new amqp_pool_t) {
  init_amqp_pool(pool_.get(), kPoolPage);
  // Fields that the flags do not name are not set to anything.
  raw_._flags = source._flags;
  raw_.priority = source.priority;
  raw_.timestamp = source.timestamp;
  if ((raw_._flags & AMQP_BASIC_HEADERS_FLAG) != 0 &&
      amqp_table_clone(&source.headers, &raw_.headers, pool_.get()) != AMQP_STATUS_OK) {
    throw std::bad_alloc();
  }
  for (const auto& [flag, text] : kTexts) {
    if ((raw_._flags & flag) == 0 || (source.*text).len == 0) continue;
    const std::string_view old = View(source.*text);
    amqp_pool_alloc_bytes(pool_.get(), old.size(), &(raw_.*text));
    if ((raw_.*text).bytes == nullptr) throw std::bad_alloc();
    std::memcpy((raw_.*text).bytes, old.data(), old.size());
  }
}

std::string_view Properties::Field(amqp_flags_t flag, amqp_bytes_t bytes) const {
  return (raw_._flags & flag) != 0 ? View(bytes) : std::string_view();
}

std::string_view Properties::id() const {
  return Field(AMQP_BASIC_MESSAGE_ID_FLAG, raw_.message_id);
}

std::string_view Properties::type() const {
  return Field(AMQP_BASIC_TYPE_FLAG, raw_.type);
}

std::string_view Properties::reply_to() const {
  return Field(AMQP_BASIC_REPLY_TO_FLAG, raw_.reply_to);
}

std::string_view Properties::correlation_id() const {
  return Field(AMQP_BASIC_CORRELATION_ID_FLAG, raw_.correlation_id);
}

std::string_view Properties::content_type() const {
  return Field(AMQP_BASIC_CONTENT_TYPE_FLAG, raw_.content_type);
}

std::int64_t Properties::timestamp() const {
  const bool there = (raw_._flags & AMQP_BASIC_TIMESTAMP_FLAG) != 0;
  return there ? static_cast<std::int64_t>(raw_.timestamp) : 0;
}

int Properties::priority() const {
  return (raw_._flags & AMQP_BASIC_PRIORITY_FLAG) != 0 ? raw_.priority : -1;
}

const amqp_field_value_t* Properties::Find(std::string_view header) const {
  if ((raw_._flags & AMQP_BASIC_HEADERS_FLAG) == 0) return nullptr;
  for (int i = 0; i < raw_.headers.num_entries; ++i) {
    const amqp_table_entry_t& entry = raw_.headers.entries[i];
    if (View(entry.key) == header) return &entry.value;
  }
  return nullptr;
}

std::string_view Properties::Text(std::string_view header) const {
  const amqp_field_value_t* const value = Find(header);
  const bool is_text = value != nullptr && (value->kind == AMQP_FIELD_KIND_UTF8 ||
                                            value->kind == AMQP_FIELD_KIND_BYTES);
  return is_text ? View(value->value.bytes) : std::string_view();
}

std::int64_t Properties::Number(std::string_view header) const {
  const amqp_field_value_t* const value = Find(header);
  if (value == nullptr) return 0;
  switch (value->kind) {
    case AMQP_FIELD_KIND_I8: return value->value.i8;
    case AMQP_FIELD_KIND_U8: return value->value.u8;
    case AMQP_FIELD_KIND_I16: return value->value.i16;
    case AMQP_FIELD_KIND_U16: return value->value.u16;
    case AMQP_FIELD_KIND_I32: return value->value.i32;
    case AMQP_FIELD_KIND_U32: return value->value.u32;
    case AMQP_FIELD_KIND_I64: return value->value.i64;
    case AMQP_FIELD_KIND_U64: return static_cast<std::int64_t>(value->value.u64);
    default: break;
  }
  // Some clients can only send texts.
  const std::string_view text = Text(header);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : 0;
}

double Properties::Real(std::string_view header) const {
  const amqp_field_value_t* const value = Find(header);
  return value != nullptr && value->kind == AMQP_FIELD_KIND_F64 ? value->value.f64 : 0;
}

bool Properties::IsTrue(std::string_view header) const {
  const amqp_field_value_t* const value = Find(header);
  return value != nullptr && value->kind == AMQP_FIELD_KIND_BOOLEAN && value->value.boolean != 0;
}

Outgoing::Outgoing() {
  raw_.delivery_mode = kPersistent;
  raw_._flags = AMQP_BASIC_DELIVERY_MODE_FLAG;
}

void Outgoing::CopyFrom(const Properties& source) {
  raw_ = source.raw();
  raw_.delivery_mode = kPersistent;
  raw_._flags |= AMQP_BASIC_DELIVERY_MODE_FLAG;
  // Its time to live is over or not; the user that sent it is not us, and the server checks that.
  raw_._flags &= ~static_cast<amqp_flags_t>(AMQP_BASIC_EXPIRATION_FLAG | AMQP_BASIC_USER_ID_FLAG);
  if ((raw_._flags & AMQP_BASIC_HEADERS_FLAG) == 0) return;
  for (int i = 0; i < raw_.headers.num_entries; ++i) {
    const amqp_table_entry_t& entry = raw_.headers.entries[i];
    if (!IsOurs(View(entry.key))) headers_.push_back(entry);
  }
}

void Outgoing::SetId(std::string_view id) {
  raw_.message_id = Bytes(id);
  raw_._flags |= AMQP_BASIC_MESSAGE_ID_FLAG;
}

void Outgoing::SetType(std::string_view type) {
  raw_.type = Bytes(type);
  raw_._flags |= AMQP_BASIC_TYPE_FLAG;
}

void Outgoing::SetReplyTo(std::string_view name) {
  raw_.reply_to = Bytes(name);
  raw_._flags |= AMQP_BASIC_REPLY_TO_FLAG;
}

void Outgoing::SetCorrelationId(std::string_view id) {
  raw_.correlation_id = Bytes(id);
  raw_._flags |= AMQP_BASIC_CORRELATION_ID_FLAG;
}

void Outgoing::SetContent(std::string_view type, std::string_view encoding) {
  raw_.content_type = Bytes(type);
  raw_.content_encoding = Bytes(encoding);
  raw_._flags |= AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_CONTENT_ENCODING_FLAG;
}

void Outgoing::SetPriority(std::uint8_t priority) {
  raw_.priority = priority;
  raw_._flags |= AMQP_BASIC_PRIORITY_FLAG;
}

void Outgoing::SetTimestamp(std::uint64_t seconds) {
  raw_.timestamp = seconds;
  raw_._flags |= AMQP_BASIC_TIMESTAMP_FLAG;
}

void Outgoing::SetExpiration(std::string_view ms) {
  raw_.expiration = Bytes(ms);
  raw_._flags |= AMQP_BASIC_EXPIRATION_FLAG;
}

void Outgoing::Add(std::string_view header, std::int64_t number) {
  headers_.push_back(NumberEntry(header, number));
}

void Outgoing::Add(std::string_view header, double number) {
  headers_.push_back(MakeEntry(header, AMQP_FIELD_KIND_F64));
  headers_.back().value.value.f64 = number;
}

void Outgoing::Add(std::string_view header, std::string_view text) {
  headers_.push_back(TextEntry(header, text));
}

void Outgoing::AddFalse(std::string_view header) {
  headers_.push_back(MakeEntry(header, AMQP_FIELD_KIND_BOOLEAN));
}

void Outgoing::AddNull(std::string_view header) {
  headers_.push_back(MakeEntry(header, AMQP_FIELD_KIND_VOID));
}

void Outgoing::AddTwoNulls(std::string_view header) {
  for (amqp_field_value_t& null : nulls_) null.kind = AMQP_FIELD_KIND_VOID;
  headers_.push_back(MakeEntry(header, AMQP_FIELD_KIND_ARRAY));
  headers_.back().value.value.array = {static_cast<int>(nulls_.size()), nulls_.data()};
}

std::string_view Outgoing::Keep(std::string text) {
  return kept_.emplace_front(std::move(text));
}

const amqp_basic_properties_t& Outgoing::Finish() {
  raw_.headers = {static_cast<int>(headers_.size()), headers_.data()};
  if (!headers_.empty()) {
    raw_._flags |= AMQP_BASIC_HEADERS_FLAG;
  } else {
    raw_._flags &= ~static_cast<amqp_flags_t>(AMQP_BASIC_HEADERS_FLAG);
  }
  return raw_;
}

}  // namespace workmand::amqp
