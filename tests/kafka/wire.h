// Kafka's binary protocol, as far as the broker of the tests reads it: numbers in network order,
// strings and lists that say first how long they are (https://kafka.apache.org/protocol).
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace workmand::kafka_broker {

/// Reads a request; throws when it ends too soon.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : left_(bytes) {}

  std::int16_t Int16() { return static_cast<std::int16_t>(Number(2)); }
  std::int32_t Int32() { return static_cast<std::int32_t>(Number(4)); }
  std::int64_t Int64() { return static_cast<std::int64_t>(Number(8)); }
  /// Null is an empty one.
  std::string_view Text() { return Bytes(Int16()); }
  std::string_view Blob() { return Bytes(Int32()); }

 private:
  std::uint64_t Number(std::size_t size) {
    std::uint64_t number = 0;
    for (const char byte : Take(size)) number = number << 8U | static_cast<unsigned char>(byte);
    return number;
  }
  std::string_view Bytes(std::int64_t size) {
    return size <= 0 ? std::string_view{} : Take(static_cast<std::size_t>(size));
  }
  std::string_view Take(std::size_t size) {
    if (size > left_.size()) throw std::runtime_error("a request ends too soon");
    const std::string_view taken = left_.substr(0, size);
    left_.remove_prefix(size);
    return taken;
  }

  std::string_view left_;
};

/// Writes an answer.
class Writer {
 public:
  Writer& Int16(std::int16_t number) { return Number(static_cast<std::uint64_t>(number), 2); }
  Writer& Int32(std::int32_t number) { return Number(static_cast<std::uint64_t>(number), 4); }
  Writer& Text(std::string_view text) {
    Int16(static_cast<std::int16_t>(text.size()));
    bytes_ += text;
    return *this;
  }
  Writer& NoText() { return Int16(-1); }
  Writer& Blob(std::string_view blob) {
    Int32(static_cast<std::int32_t>(blob.size()));
    bytes_ += blob;
    return *this;
  }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  Writer& Number(std::uint64_t number, unsigned size) {
    for (unsigned i = size; i-- > 0;) bytes_ += static_cast<char>(number >> (8 * i));
    return *this;
  }

  std::string bytes_;
};

/// What every request begins with.
struct Header {
  std::int16_t api = 0;
  std::int16_t version = 0;
  std::int32_t correlation = 0;
};

inline Header ReadHeader(Reader& reader) {
  Header header;
  header.api = reader.Int16();
  header.version = reader.Int16();
  header.correlation = reader.Int32();
  (void)reader.Text();  // the client's name
  return header;
}

}  // namespace workmand::kafka_broker
