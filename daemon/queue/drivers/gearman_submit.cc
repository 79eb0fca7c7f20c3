#include "daemon/queue/drivers/gearman_submit.h"

#include "daemon/queue/queue.h"

namespace workmand::gearman {
namespace {

PacketType SubmitType(Priority priority, bool background) {
  switch (priority) {
    case Priority::kLow:
      return background ? PacketType::kSubmitLowBackground : PacketType::kSubmitLow;
    case Priority::kHigh:
      return background ? PacketType::kSubmitHighBackground : PacketType::kSubmitHigh;
    case Priority::kNormal: break;
  }
  return background ? PacketType::kSubmitBackground : PacketType::kSubmit;
}

/// Well enough to stand in a JSON text: lead and continuation bytes fit together.
bool LooksLikeUtf8(std::string_view text) {
  std::size_t pending = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool continuation = (byte & 0xC0U) == 0x80U;
    if (continuation != (pending > 0)) return false;
    if (continuation) {
      --pending;
    } else if (byte >= 0xF8 || byte == 0xC0 || byte == 0xC1) {
      return false;
    } else {
      pending = byte >= 0xF0 ? 3 : byte >= 0xE0 ? 2 : byte >= 0xC0 ? 1 : 0;
    }
  }
  return pending == 0;
}

void RequireName(std::string_view what, std::string_view text, std::size_t most) {
  if (text.find('\0') != std::string_view::npos) {
    throw Rejected("a gearman " + std::string(what) + " cannot hold a NUL byte");
  }
  if (text.size() > most) {
    throw Rejected("a gearman " + std::string(what) + " has at most " + std::to_string(most) +
                   " bytes (got " + std::to_string(text.size()) + ")");
  }
}

}  // namespace

void RequireTaskName(std::string_view task) {
  if (task.empty()) throw Rejected("a gearman job needs the name of a task");
  RequireName("task name", task, kMaxTaskName);
}

void RequireSubmittable(const Enqueue& job) {
  RequireTaskName(job.task);
  RequireName("unique key", job.unique, kMaxUnique);
  if (job.payload.size() > kMaxPayload) {
    throw Rejected("a gearman payload has at most " + std::to_string(kMaxPayload) + " bytes (got " +
                   std::to_string(job.payload.size()) + ")");
  }
  if (job.delay > Duration{0}) {
    throw Rejected(
        "gearman has no delayed jobs: gearmand does not wake a sleeping worker when one falls due");
  }
  if (job.max_attempts != 0) {
    throw Rejected("gearman keeps no limit of attempts with a job: set it in the profile");
  }
}

void AppendSubmit(std::string& out, const Enqueue& job, bool background) {
  AppendPacket(out, SubmitType(job.priority, background), {job.task, job.unique, job.payload});
}

std::string ErrorObject(std::string_view text) {
  if (text.size() >= 2 && text.front() == '{' && text.back() == '}') return std::string(text);
  constexpr std::string_view kDigits = "0123456789abcdef";
  const bool utf8 = LooksLikeUtf8(text);
  std::string out = R"({"message":")";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || (byte > 0x7E && !utf8)) {
      out += "\\u00";
      out += kDigits[byte >> 4U];
      out += kDigits[byte & 0xFU];
    } else {
      out += c;
    }
  }
  return out + "\"}";
}

}  // namespace workmand::gearman
