// Any reply stream, cut anywhere, gives the same packets and the same end; no more is waited for
// than one packet within the limit. Input: limit, cuts, then the stream.
#include <array>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "daemon/queue/drivers/gearman_packet.h"
#include "tests/fuzz/fuzz.h"

namespace workmand::fuzz {
namespace {

using gearman::kHeaderBytes;
using gearman::Packet;
using gearman::PacketReader;
using gearman::PacketType;
using Taken = PacketReader::Taken;

struct KeptPacket {
  std::uint32_t type = 0;
  std::string body;
  friend bool operator==(const KeptPacket&, const KeptPacket&) = default;
};

struct Replies {
  std::vector<KeptPacket> packets;
  bool broken = false;
  friend bool operator==(const Replies&, const Replies&) = default;
};

constexpr std::array<std::size_t, 6> kLimits{0, 1, 16, 256, 4096, gearman::kMaxBody};
constexpr std::string_view kMagic("\0RES", 4);

std::uint32_t NumberAt(std::string_view bytes, std::size_t at) {
  std::uint32_t number = 0;
  for (std::size_t i = at; i < at + 4; ++i) {
    number = number * 256 + static_cast<unsigned char>(bytes[i]);
  }
  return number;
}

/// The packets by the protocol's own description, from a stream that is at hand as a whole.
Replies RepliesByRules(std::string_view stream, std::size_t limit) {
  Replies replies;
  while (!stream.empty()) {
    const std::string_view magic = stream.substr(0, kMagic.size());
    replies.broken = magic != kMagic.substr(0, magic.size());
    if (replies.broken || stream.size() < kHeaderBytes) break;
    const std::size_t body = NumberAt(stream, 8);
    replies.broken = body > limit;
    if (replies.broken || stream.size() - kHeaderBytes < body) break;
    replies.packets.push_back(
        {NumberAt(stream, 4), std::string(stream.substr(kHeaderBytes, body))});
    stream.remove_prefix(kHeaderBytes + body);
  }
  return replies;
}

/// The fields of a body are all of it, and too few are told.
void CheckFields(std::string_view body) {
  std::array<std::string_view, 4> fields;
  const auto nuls = static_cast<std::size_t>(std::count(body.begin(), body.end(), '\0'));
  for (std::size_t count = 1; count <= fields.size(); ++count) {
    const bool enough = gearman::SplitFields(body, std::span(fields.data(), count));
    Require(enough == (nuls + 1 >= count), "fields are there when their NULs are");
    if (!enough) continue;
    std::string joined(fields[0]);
    for (std::size_t i = 1; i < count; ++i) joined.append(1, '\0').append(fields[i]);
    Require(joined == body, "the fields of a body are all of it");
  }
}

class Stream {
 public:
  explicit Stream(std::size_t limit) : limit_(limit), reader_(limit) {}

  /// Feeds a piece and takes what is whole. False when the stream is broken.
  bool Feed(std::string_view piece) {
    held_ += piece.size();
    while (!piece.empty()) {
      const std::span<char> space = reader_.Space();
      Require(!space.empty(), "there is always space to read to");
      const std::size_t part = std::min(space.size(), piece.size());
      std::memcpy(space.data(), piece.data(), part);
      reader_.Filled(part);
      piece.remove_prefix(part);
    }
    return TakeAll();
  }

  [[nodiscard]] const Replies& replies() const { return replies_; }

 private:
  bool TakeAll() {
    Packet packet;
    Taken taken = reader_.Take(packet);
    for (; taken == Taken::kPacket; taken = reader_.Take(packet)) {
      replies_.packets.push_back(
          {static_cast<std::uint32_t>(packet.type), std::string(packet.body)});
      Require(packet.body.size() <= limit_, "no packet is larger than the limit");
      held_ -= kHeaderBytes + packet.body.size();
      CheckFields(packet.body);
    }
    replies_.broken = taken == Taken::kBroken;
    Require(replies_.broken == !reader_.error().empty(), "a broken stream says why");
    if (replies_.broken) {
      Require(reader_.Take(packet) == Taken::kBroken, "a broken stream stays broken");
    } else {
      Require(held_ < kHeaderBytes + limit_, "no more is waited for than one packet");
    }
    return !replies_.broken;
  }

  std::size_t limit_;
  std::size_t held_ = 0;  ///< bytes fed and not taken
  PacketReader reader_;
  Replies replies_;
};

Replies Read(const std::vector<std::string_view>& pieces, std::size_t limit) {
  Stream stream(limit);
  for (const std::string_view piece : pieces) {
    if (!stream.Feed(piece)) break;
  }
  return stream.replies();
}

/// What is built as a request is read back when its magic is that of a reply.
void CheckAppend(std::string_view body) {
  std::string bytes;
  const std::string_view name = body.substr(0, body.find('\0'));
  gearman::AppendPacket(bytes, PacketType::kSubmit, {name, "", body});
  bytes.replace(0, kMagic.size(), kMagic);
  PacketReader reader;
  reader.Feed(bytes);
  Packet packet;
  std::array<std::string_view, 3> fields;
  Require(reader.Take(packet) == Taken::kPacket && packet.type == PacketType::kSubmit,
          "a packet that was built is one");
  Require(gearman::SplitFields(packet.body, fields), "a packet has the fields it was built of");
  Require(fields[0] == name && fields[1].empty() && fields[2] == body,
          "fields come out as they went in");
  Require(reader.Take(packet) == Taken::kNeedMore, "nothing follows the packet");
}

}  // namespace
}  // namespace workmand::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace workmand::fuzz;
  std::string_view stream = Text(data, size);
  const std::size_t limit = kLimits[TakeByte(stream) % kLimits.size()];
  const unsigned seed = TakeByte(stream);
  const Replies expected = RepliesByRules(stream, limit);
  Require(Read(Pieces(stream, 0), limit) == expected, "a stream gives its packets");
  Require(Read(Pieces(stream, 1), limit) == expected, "single bytes give the same packets");
  Require(Read(Pieces(stream, seed), limit) == expected, "any cuts give the same packets");
  CheckAppend(stream);
  return 0;
}
