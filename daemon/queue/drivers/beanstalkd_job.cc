#include "daemon/queue/drivers/beanstalkd_job.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "protocol/json_slicer.h"
#include "protocol/json_text.h"

namespace workmand::beanstalkd {
namespace {

namespace json = workman::protocol;

constexpr std::size_t kLongestTube = 200;
constexpr std::size_t kLongestStem = 100;
constexpr std::string_view kHex = "0123456789ABCDEF";
/// Stands for a part of a name that was too long.
constexpr std::string_view kHashMark = "$-";
constexpr std::string_view kNotes = "/$failed";
constexpr std::string_view kOurs = "workman";
/// The high halves of our priorities; smaller is sooner.
constexpr std::uint32_t kHighBand = 0x1A57'0000;
constexpr std::uint32_t kNormalBand = 0x3A57'0000;
constexpr std::uint32_t kLowBand = 0x5A57'0000;
constexpr int kMost = 255;

bool IsAlphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}
bool MayStandInTube(char c) {
  return IsAlphanumeric(c) || std::string_view("-+/;.$_()").find(c) != std::string_view::npos;
}

/// FNV-1a: names of tubes must be the same in every version of this program.
std::uint64_t Hash(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

int HexDigit(char c) {
  const std::size_t at = kHex.find(c);
  return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

std::string Text(std::string_view raw) {
  return json::ReadString(raw).value_or(std::string());
}
int SmallNumber(std::string_view raw) {
  return static_cast<int>(std::clamp<std::int64_t>(json::ReadInt(raw).value_or(0), 0, 1'000'000));
}

bool IsTight(std::string_view payload) {
  constexpr std::string_view kSpace = " \t\r\n";
  return !payload.empty() && kSpace.find(payload.front()) == std::string_view::npos &&
         kSpace.find(payload.back()) == std::string_view::npos;
}

}  // namespace

std::string WhyNoTube(std::string_view name) {
  if (name.empty()) return "a tube needs a name";
  if (name.size() > kLongestStem) return "the name of a tube has at most 100 bytes here";
  if (name.front() == '-' || !std::all_of(name.begin(), name.end(), MayStandInTube)) {
    return "\"" + std::string(name) +
           "\" is not the name of a tube: letters, digits and -+/;.$_() only, and no - in front";
  }
  return {};
}

std::string TubeOfTask(std::string_view stem, std::string_view task) {
  std::string tube(stem);
  tube += '/';
  for (const char c : task) {
    if (MayStandInTube(c) && c != '$') {
      tube += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    tube += '$';
    tube += kHex[byte >> 4U];
    tube += kHex[byte & 15U];
  }
  if (tube.size() <= kLongestTube) return tube;
  tube.resize(kLongestTube - kHashMark.size() - 16);
  tube += kHashMark;
  const std::uint64_t hash = Hash(task);
  for (unsigned shift = 64; shift > 0; shift -= 4) tube += kHex[(hash >> (shift - 4)) & 15U];
  return tube;
}

std::string TubeOfNotes(std::string_view stem) {
  return std::string(stem) + std::string(kNotes);
}

std::string TubeOfExpiries(std::string_view stem) {
  return TubeOfNotes(stem) + "$expire";
}

std::optional<std::string> TaskOfTube(std::string_view stem, std::string_view tube) {
  if (tube.size() < stem.size() + 2 || !tube.starts_with(stem) || tube[stem.size()] != '/') {
    return std::nullopt;
  }
  const std::string_view name = tube.substr(stem.size() + 1);
  std::string task;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] != '$') {
      task += name[i];
      continue;
    }
    if (i + 2 >= name.size()) return std::nullopt;
    const int high = HexDigit(name[i + 1]);
    const int low = HexDigit(name[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    task += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return task;
}

Past ReadPast(std::uint32_t number) {
  Past past;
  switch (number & 0xFFFF'0000U) {
    case kHighBand: past.priority = Priority::kHigh; break;
    case kNormalBand: break;
    case kLowBand: past.priority = Priority::kLow; break;
    default:
      past.ours = false;
      past.foreign = number;
      return past;
  }
  past.ends = static_cast<int>((number >> 8U) & 255U);
  past.uncounted = static_cast<int>(number & 255U);
  return past;
}

std::uint32_t ToNumber(const Past& past) {
  if (!past.ours && past.ends == 0 && past.uncounted == 0) return past.foreign;
  std::uint32_t band = kNormalBand;
  if (past.priority == Priority::kHigh) band = kHighBand;
  if (past.priority == Priority::kLow) band = kLowBand;
  return band | (static_cast<std::uint32_t>(std::min(past.ends, kMost)) << 8U) |
         static_cast<std::uint32_t>(std::min(past.uncounted, kMost));
}

std::string MakeBody(const Enqueue& job) {
  std::string body = "{\"task\":";
  json::AppendString(body, job.task);
  if (IsTight(job.payload) && json::IsJson(job.payload, json::kMaxPayloadDepth)) {
    body += ",\"args\":" + job.payload;
  } else {
    body += R"(,"base64":")";
    json::AppendBase64(body, job.payload);
    body += '"';
  }
  if (job.max_attempts > 0) body += ",\"max_attempts\":" + std::to_string(job.max_attempts);
  return body + ",\"" + std::string(kOurs) + "\":1}";
}

void ReadBody(std::string_view body, std::string_view stem, std::string_view tube, Job& job) {
  job.task = TaskOfTube(stem, tube).value_or(std::string());
  const bool shared = job.task.empty();
  json::Object object;
  const bool is_object = json::Object::Parse(body, object) == json::JsonError::kNone;
  const bool ours = is_object && !object.Find(kOurs).empty();
  if (is_object && (ours || shared)) {
    const std::string task = Text(object.Find("task"));
    if (!task.empty()) {
      job.task = task;
      job.max_attempts = SmallNumber(object.Find("max_attempts"));
      const std::string_view bytes = object.Find("base64");
      if (ours && bytes.size() >= 2) {
        job.payload =
            json::DecodeBase64Inside(bytes.substr(1, bytes.size() - 2)).value_or(std::string());
        return;
      }
      const std::string_view arguments = object.Find("args");
      job.payload = arguments.empty() ? body : arguments;
      return;
    }
  }
  if (shared) job.task = tube;
  job.payload = body;
}

std::string MakeNote(const Job& job, std::string_view error, std::int64_t at_ms,
                     std::uint64_t reserves) {
  std::string note = "{\"id\":";
  json::AppendString(note, job.id);
  note += ",\"error\":";
  note += json::IsJson(error) ? error : "{}";
  return note + ",\"attempts\":" + std::to_string(job.attempt) +
         ",\"deliveries\":" + std::to_string(job.deliveries) + ",\"at\":" + std::to_string(at_ms) +
         ",\"reserves\":" + std::to_string(reserves) + "}";
}

DeadLetter ReadNote(std::string_view body, std::uint64_t& reserves) {
  DeadLetter letter;
  json::Object object;
  if (json::Object::Parse(body, object) != json::JsonError::kNone) return letter;
  letter.id = Text(object.Find("id"));
  letter.error = object.Find("error");
  letter.attempts = SmallNumber(object.Find("attempts"));
  letter.deliveries = SmallNumber(object.Find("deliveries"));
  letter.failed_at_ms = json::ReadInt(object.Find("at")).value_or(0);
  reserves = static_cast<std::uint64_t>(json::ReadInt(object.Find("reserves")).value_or(0));
  return letter;
}

std::string_view Statistic(std::string_view yaml, std::string_view name) {
  while (!yaml.empty()) {
    const std::size_t end = std::min(yaml.find('\n'), yaml.size());
    std::string_view line = yaml.substr(0, end);
    yaml.remove_prefix(std::min(end + 1, yaml.size()));
    if (!line.starts_with(name) || !line.substr(name.size()).starts_with(": ")) continue;
    line.remove_prefix(name.size() + 2);
    if (line.size() >= 2 && line.front() == '"') line = line.substr(1, line.size() - 2);
    return line;
  }
  return {};
}

std::uint64_t Number(std::string_view text) {
  std::uint64_t value = 0;
  (void)std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace workmand::beanstalkd
