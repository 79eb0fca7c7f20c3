#include "daemon/modes/exit_meaning.h"

namespace workmand {
namespace {

// sysexits.h.
constexpr int kUsage = 64;
constexpr int kDataErr = 65;
constexpr int kNoInput = 66;
constexpr int kTempFail = 75;
constexpr int kProtocol = 76;
constexpr int kNoPerm = 77;
constexpr int kConfig = 78;
/// The first number behind those of sysexits.h.
constexpr int kGiveBack = 79;
// The shell's, and that of workmand-launch.
constexpr int kCannotExecute = 126;
constexpr int kNotFound = 127;
/// A shell whose child was ended by a signal adds its number to this.
constexpr int kSignalBase = 128;

constexpr std::size_t kLongestQuote = 200;

}  // namespace

ExitMeaning MeaningOf(int code, const std::map<int, ExitMeaning>& stated) {
  if (const auto found = stated.find(code); found != stated.end()) return found->second;
  switch (code) {
    case 0: return ExitMeaning::kDone;
    case kUsage:
    case kDataErr:
    case kNoInput:
    case kProtocol:
    case kNoPerm: return ExitMeaning::kPermanent;
    case kTempFail: return ExitMeaning::kRetry;
    case kGiveBack: return ExitMeaning::kAbort;
    case kConfig:
    case kCannotExecute:
    case kNotFound: return ExitMeaning::kHold;
    default: return code < kSignalBase ? ExitMeaning::kRetry : ExitMeaning::kLost;
  }
}

std::string_view LastLine(std::string_view text) {
  const std::size_t end = text.find_last_not_of(" \t\r\n");
  if (end == std::string_view::npos) return {};
  text = text.substr(0, end + 1);
  const std::size_t before = text.rfind('\n');
  if (before != std::string_view::npos) text.remove_prefix(before + 1);
  return text.substr(0, kLongestQuote);
}

}  // namespace workmand
