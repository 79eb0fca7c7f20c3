// How the messages to and from a filter are told apart. Bounded memory. Pure: bytes in, frames out.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "daemon/profile/profile.h"
#include "protocol/line_reader.h"

namespace workmand {

/// One message of a filter.
struct Frame {
  enum class Is {
    kWhole,
    kTooLong,  ///< `bytes` are its first ones, as far as they were kept
    kBroken,   ///< not the framing that was agreed on; nothing more will come
  };
  Is is = Is::kWhole;
  std::string_view bytes;  ///< valid during the call
};

class FrameReader {
 public:
  /// `max_frame`: bytes of one message.
  FrameReader(Framing framing, std::size_t max_frame);

  /// Calls `on_frame` for each message that `chunk` completes, in order; it must not feed this
  /// reader. After a message in a binary framing that is too long nothing more will come either.
  void Feed(std::string_view chunk, const std::function<void(const Frame&)>& on_frame);

 private:
  void FeedBinary(std::string_view chunk, const std::function<void(const Frame&)>& on_frame);
  /// Reads what tells the length off the front of `pending_`. False: more bytes are needed.
  bool TakeLength(Frame& bad);

  Framing framing_;
  std::size_t max_frame_;
  workman::protocol::LineReader lines_;
  std::string pending_;  ///< of a binary message that is not complete
  bool has_length_ = false;
  std::size_t length_ = 0;
  bool dead_ = false;
};

/// Whether `bytes` can be told apart from what follows.
bool FitsFraming(std::string_view bytes, Framing framing);
/// Appends one message.
void AppendFrame(std::string& out, std::string_view bytes, Framing framing);

}  // namespace workmand
