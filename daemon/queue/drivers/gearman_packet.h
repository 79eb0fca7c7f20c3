// The packets of the Gearman binary protocol: building requests, and taking replies out of a stream
// that comes in pieces. Pure: knows no socket and no clock, and what a server sends can neither
// crash it nor make it hold more than one packet's limit plus one read. Driven by gearman_lane.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <libgearman-1.0/protocol.h>

namespace workmand::gearman {

/// The packets that this driver sends or understands; a stream may hold other numbers.
enum class PacketType : std::uint32_t {
  kCanDo = GEARMAN_COMMAND_CAN_DO,
  kCantDo = GEARMAN_COMMAND_CANT_DO,
  kPreSleep = GEARMAN_COMMAND_PRE_SLEEP,
  kNoop = GEARMAN_COMMAND_NOOP,
  kSubmit = GEARMAN_COMMAND_SUBMIT_JOB,
  kSubmitHigh = GEARMAN_COMMAND_SUBMIT_JOB_HIGH,
  kSubmitLow = GEARMAN_COMMAND_SUBMIT_JOB_LOW,
  kSubmitBackground = GEARMAN_COMMAND_SUBMIT_JOB_BG,
  kSubmitHighBackground = GEARMAN_COMMAND_SUBMIT_JOB_HIGH_BG,
  kSubmitLowBackground = GEARMAN_COMMAND_SUBMIT_JOB_LOW_BG,
  kJobCreated = GEARMAN_COMMAND_JOB_CREATED,
  kNoJob = GEARMAN_COMMAND_NO_JOB,
  kWorkStatus = GEARMAN_COMMAND_WORK_STATUS,
  kWorkComplete = GEARMAN_COMMAND_WORK_COMPLETE,
  kWorkFail = GEARMAN_COMMAND_WORK_FAIL,
  kWorkException = GEARMAN_COMMAND_WORK_EXCEPTION,
  kWorkData = GEARMAN_COMMAND_WORK_DATA,
  kWorkWarning = GEARMAN_COMMAND_WORK_WARNING,
  kEchoRequest = GEARMAN_COMMAND_ECHO_REQ,
  kEchoReply = GEARMAN_COMMAND_ECHO_RES,
  kError = GEARMAN_COMMAND_ERROR,
  kSetClientId = GEARMAN_COMMAND_SET_CLIENT_ID,
  kOptionRequest = GEARMAN_COMMAND_OPTION_REQ,
  kOptionReply = GEARMAN_COMMAND_OPTION_RES,
  kGrabJob = GEARMAN_COMMAND_GRAB_JOB_UNIQ,
  kJobAssign = GEARMAN_COMMAND_JOB_ASSIGN_UNIQ,
};

inline constexpr std::size_t kHeaderBytes = 12;
/// The largest body that is accepted from a server.
inline constexpr std::size_t kMaxBody = std::size_t{64} * 1024 * 1024;

/// A reply; `body` points into its PacketReader.
struct Packet {
  PacketType type{};
  std::string_view body;
};

/// Appends a request whose body is `fields` with a NUL between each two. Only the last field may
/// hold NUL itself. The body must be shorter than 4 GiB.
void AppendPacket(std::string& out, PacketType type,
                  std::initializer_list<std::string_view> fields);

/// Cuts `body` at its first NULs into exactly fields.size() parts; the last one takes the rest.
/// False, with `fields` undefined, when there are too few.
[[nodiscard]] bool SplitFields(std::string_view body, std::span<std::string_view> fields);

/// Cuts a stream of replies into packets, however the stream is split.
class PacketReader {
 public:
  enum class Taken { kPacket, kNeedMore, kBroken };

  explicit PacketReader(std::size_t max_body = kMaxBody) : max_body_(max_body) {}

  /// Where to read the next bytes to: never empty. Ends the life of every Packet taken so far.
  [[nodiscard]] std::span<char> Space();
  /// The first `bytes` of the last Space() have been filled.
  void Filled(std::size_t bytes);
  /// Space and Filled in one, for bytes that are at hand.
  void Feed(std::string_view bytes);

  /// The next whole packet. After kBroken the stream cannot be read any further (see error()).
  [[nodiscard]] Taken Take(Packet& out);
  /// A sentence without a subject, to follow the server's name; set once Take said kBroken.
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  std::size_t max_body_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;  ///< first byte not taken
  std::size_t end_ = 0;    ///< behind the last byte filled
  std::string error_;
};

}  // namespace workmand::gearman
