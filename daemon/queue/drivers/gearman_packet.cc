#include "daemon/queue/drivers/gearman_packet.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace workmand::gearman {
namespace {

constexpr std::string_view kRequestMagic("\0REQ", 4);
constexpr std::string_view kReplyMagic("\0RES", 4);
constexpr std::size_t kReadBytes = std::size_t{64} * 1024;
/// A buffer that one large packet has blown up beyond this is given back when it runs empty.
constexpr std::size_t kKeptBytes = std::size_t{1024} * 1024;

void AppendNumber(std::string& out, std::uint32_t number) {
  for (const unsigned shift : {24U, 16U, 8U, 0U}) {
    out += static_cast<char>((number >> shift) & 0xFFU);
  }
}

std::uint32_t ReadNumber(std::string_view four_bytes) {
  std::uint32_t number = 0;
  for (const char c : four_bytes) number = (number << 8U) | static_cast<unsigned char>(c);
  return number;
}

std::string Hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (!out.empty()) out += ' ';
    out += kDigits[byte >> 4U];
    out += kDigits[byte & 0xFU];
  }
  return out;
}

}  // namespace

void AppendPacket(std::string& out, PacketType type,
                  std::initializer_list<std::string_view> fields) {
  std::size_t body = fields.size() > 1 ? fields.size() - 1 : 0;
  for (const std::string_view field : fields) body += field.size();
  out += kRequestMagic;
  AppendNumber(out, static_cast<std::uint32_t>(type));
  AppendNumber(out, static_cast<std::uint32_t>(body));
  bool first = true;
  for (const std::string_view field : fields) {
    if (!first) out += '\0';
    out += field;
    first = false;
  }
}

bool SplitFields(std::string_view body, std::span<std::string_view> fields) {
  for (std::size_t i = 0; i + 1 < fields.size(); ++i) {
    const std::size_t nul = body.find('\0');
    if (nul == std::string_view::npos) return false;
    fields[i] = body.substr(0, nul);
    body.remove_prefix(nul + 1);
  }
  if (!fields.empty()) fields.back() = body;
  return true;
}

std::span<char> PacketReader::Space() {
  if (begin_ == end_) {
    begin_ = end_ = 0;
    if (buffer_.size() > kKeptBytes) std::vector<char>(kReadBytes).swap(buffer_);
  } else if (begin_ > 0 && buffer_.size() - end_ < kReadBytes) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  // Grows by what has come, not by what a header promises.
  if (buffer_.size() - end_ < kReadBytes) buffer_.resize(std::max(end_ + kReadBytes, end_ * 2));
  return {buffer_.data() + end_, buffer_.size() - end_};
}

void PacketReader::Filled(std::size_t bytes) {
  end_ += std::min(bytes, buffer_.size() - end_);
}

void PacketReader::Feed(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::span<char> space = Space();
    const std::size_t part = std::min(space.size(), bytes.size());
    std::memcpy(space.data(), bytes.data(), part);
    Filled(part);
    bytes.remove_prefix(part);
  }
}

PacketReader::Taken PacketReader::Take(Packet& out) {
  if (!error_.empty()) return Taken::kBroken;
  if (begin_ == end_) return Taken::kNeedMore;
  const std::string_view bytes(buffer_.data() + begin_, end_ - begin_);
  // A stream of something else is told by its first bytes, without waiting for a whole header.
  const std::string_view magic = bytes.substr(0, kReplyMagic.size());
  if (magic != kReplyMagic.substr(0, magic.size())) {
    error_ = "does not speak the Gearman protocol (a packet begins with " + Hex(magic) + ")";
    return Taken::kBroken;
  }
  if (bytes.size() < kHeaderBytes) return Taken::kNeedMore;
  const std::size_t body = ReadNumber(bytes.substr(8, 4));
  if (body > max_body_) {
    error_ = "sent a packet of " + std::to_string(body) + " bytes; the limit is " +
             std::to_string(max_body_);
    return Taken::kBroken;
  }
  if (bytes.size() - kHeaderBytes < body) return Taken::kNeedMore;
  out = {static_cast<PacketType>(ReadNumber(bytes.substr(4, 4))), bytes.substr(kHeaderBytes, body)};
  begin_ += kHeaderBytes + body;
  return Taken::kPacket;
}

}  // namespace workmand::gearman
