#include "daemon/modes/framing.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

namespace workmand {
namespace {

constexpr std::size_t kWord = 4;
/// "1073741824": no message is longer than max_line may be.
constexpr std::size_t kMostDigits = 10;
constexpr std::size_t kKeptCapacity = std::size_t{256} << 10U;

std::size_t ReadBigEndian(std::string_view bytes) {
  std::size_t value = 0;
  for (std::size_t i = 0; i < kWord; ++i)
    value = value << 8U | static_cast<unsigned char>(bytes[i]);
  return value;
}

}  // namespace

FrameReader::FrameReader(Framing framing, std::size_t max_frame)
    : framing_(framing), max_frame_(max_frame), lines_(max_frame) {}

void FrameReader::Feed(std::string_view chunk, const std::function<void(const Frame&)>& on_frame) {
  if (framing_ != Framing::kLines) {
    FeedBinary(chunk, on_frame);
    return;
  }
  lines_.Feed(chunk, [&](const workman::protocol::Line& line) {
    on_frame({line.overflow ? Frame::Is::kTooLong : Frame::Is::kWhole, line.text});
    return true;
  });
}

void FrameReader::FeedBinary(std::string_view chunk,
                             const std::function<void(const Frame&)>& on_frame) {
  if (dead_) return;
  pending_.append(chunk);
  std::size_t used = 0;
  while (!dead_) {
    Frame bad;
    if (!has_length_) {
      pending_.erase(0, used);
      used = 0;
      if (!TakeLength(bad)) break;
    }
    if (!has_length_) {
      dead_ = true;
      bad.bytes = pending_;
      on_frame(bad);
      break;
    }
    const bool comma = framing_ == Framing::kNetstring;
    if (pending_.size() - used < length_ + (comma ? 1U : 0U)) break;
    const Frame frame{Frame::Is::kWhole, std::string_view(pending_).substr(used, length_)};
    if (comma && pending_[used + length_] != ',') {
      dead_ = true;
      on_frame({Frame::Is::kBroken, frame.bytes});
      break;
    }
    has_length_ = false;
    used += length_ + (comma ? 1U : 0U);
    on_frame(frame);
  }
  pending_.erase(0, used);
  if (pending_.empty() && pending_.capacity() > kKeptCapacity) pending_.shrink_to_fit();
}

bool FrameReader::TakeLength(Frame& bad) {
  std::size_t header = kWord;
  if (framing_ == Framing::kU32be) {
    if (pending_.size() < kWord) return false;
    length_ = ReadBigEndian(pending_);
  } else {
    const std::size_t digits = std::min(pending_.find_first_not_of("0123456789"), pending_.size());
    bad.is = Frame::Is::kBroken;
    const bool zero_first = digits > 1 && pending_.front() == '0';
    if (digits > kMostDigits || zero_first) return true;
    if (digits == pending_.size()) return false;
    if (digits == 0 || pending_[digits] != ':') return true;
    std::from_chars(pending_.data(), pending_.data() + digits, length_);
    header = digits + 1;
  }
  bad.is = Frame::Is::kTooLong;
  if (length_ > max_frame_) return true;
  pending_.erase(0, header);
  has_length_ = true;
  return true;
}

bool FitsFraming(std::string_view bytes, Framing framing) {
  return framing != Framing::kLines || bytes.find('\n') == std::string_view::npos;
}

void AppendFrame(std::string& out, std::string_view bytes, Framing framing) {
  switch (framing) {
    case Framing::kLines: out.append(bytes).append("\n"); break;
    case Framing::kNetstring:
      out.append(std::to_string(bytes.size())).append(":").append(bytes).append(",");
      break;
    case Framing::kU32be:
      for (unsigned shift = 32; shift > 0;) {
        shift -= 8;
        out += static_cast<char>(static_cast<std::uint32_t>(bytes.size()) >> shift & 0xffU);
      }
      out.append(bytes);
      break;
  }
}

}  // namespace workmand
