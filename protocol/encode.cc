#include "protocol/encode.h"

#include <array>
#include <charconv>
#include <cstddef>
#include <utility>

#include "protocol/json_chars.h"
#include "protocol/json_slicer.h"
#include "protocol/json_text.h"

namespace workman::protocol {
namespace {

/// Envelope around the payload, generously: one growth of `out` per line.
constexpr std::size_t kEnvelopeSize = 512;

void AppendInt(std::string& out, std::int64_t value) {
  std::array<char, 24> digits{};
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  static_cast<void>(error);
  out.append(digits.data(), end);
}

/// `member` is everything up to the value: `,"attempt":`.
void AppendInt(std::string& out, std::string_view member, std::int64_t value) {
  out.append(member);
  AppendInt(out, value);
}

/// Members of the line that goes out for every job, written into room that is made beforehand: an
/// append for each piece would cost more than the rest of the encoder.
class Members {
 public:
  /// The text of `texts` bytes and `count` members at most, names of up to kLongestName included.
  Members(std::string& out, std::size_t count, std::size_t texts) : out_(out), end_(out.size()) {
    out_.resize(end_ + count * (kLongestName + kLongestInt) + texts * kLongestEscape);
  }
  ~Members() { out_.resize(end_); }
  Members(const Members&) = delete;
  Members& operator=(const Members&) = delete;

  void Raw(std::string_view text) { end_ += text.copy(out_.data() + end_, text.size()); }
  /// `member` is everything up to the value, as in AppendInt.
  void Int(std::string_view member, std::int64_t value) {
    Raw(member);
    char* begin = out_.data() + end_;
    if (value >= 0 && value < 10) {
      *begin = static_cast<char>('0' + value);
      ++end_;
      return;
    }
    end_ += static_cast<std::size_t>(std::to_chars(begin, begin + kLongestInt, value).ptr - begin);
  }
  void Text(std::string_view member, std::string_view text) {
    Raw(member);
    if (PlainLength(text) == text.size()) {
      Raw("\"");
      Raw(text);
      return Raw("\"");
    }
    std::string scratch;
    AppendString(scratch, text);
    Raw(scratch);
  }

 private:
  static constexpr std::size_t kLongestName = 32;
  static constexpr std::size_t kLongestInt = 24;
  static constexpr std::size_t kLongestEscape = 6;  ///< `\u001f` for one byte

  std::string& out_;
  std::size_t end_;  ///< how much of `out_` is written
};

void AppendJobHead(std::string& out, const JobMessage& job) {
  Members head(out, 6, job.id.size() + job.task.size());
  head.Raw(R"({"type":"job","id":")");
  head.Raw(job.id);
  head.Text(R"(","task":)", job.task);
  head.Int(R"(,"attempt":)", job.attempt);
  if (job.max_attempts > 0) head.Int(R"(,"max_attempts":)", job.max_attempts);
  head.Int(R"(,"timeout_ms":)", job.timeout_ms);
  if (job.deadline_at_ms > 0) head.Int(R"(,"deadline_at":)", job.deadline_at_ms);
}

void AppendJobTail(std::string& out, const JobMessage& job) {
  Members tail(out, 5, job.driver.size() + job.queue.size() + job.job.size());
  tail.Text(R"(,"queue":{"driver":)", job.driver);
  tail.Text(R"(,"name":)", job.queue);
  tail.Text(R"(,"job":)", job.job);
  if (job.enqueued_at_ms > 0) tail.Int(R"(,"enqueued_at":)", job.enqueued_at_ms);
  tail.Raw("}}\n");
}

bool IsContinuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

void AppendText(std::string& out, std::string_view member, std::string_view text) {
  out.append(member);
  AppendString(out, text);
}

/// The last lines of `text`, without the line feeds around them.
std::string_view EndOf(std::string_view text) {
  constexpr std::size_t kMostBytes = 2048;
  constexpr int kMostLines = 20;
  const std::size_t last = text.find_last_not_of("\r\n");
  if (last == std::string_view::npos) return {};
  text = text.substr(0, last + 1);
  if (text.size() > kMostBytes) {
    text.remove_prefix(text.size() - kMostBytes);
    // Where a character was cut in two, what is left of it goes too.
    constexpr std::size_t kLongestRest = 3;
    for (std::size_t i = 0; i < kLongestRest && IsContinuation(text.front()); ++i) {
      text.remove_prefix(1);
    }
  }
  std::size_t begin = text.size();
  for (int lines = 0; lines < kMostLines && begin != std::string_view::npos; ++lines) {
    begin = begin == 0 ? std::string_view::npos : text.rfind('\n', begin - 1);
  }
  if (begin != std::string_view::npos) text.remove_prefix(begin + 1);
  return text.substr(text.find_first_not_of("\r\n"));
}

}  // namespace

void AppendHello(std::string& out, const Hello& hello) {
  AppendInt(out, R"({"type":"hello","proto":)", kVersion);
  AppendInt(out, R"(,"proto_min":)", kVersion);
  AppendText(out, R"(,"daemon":)", hello.daemon);
  AppendText(out, R"(,"profile":)", hello.profile);
  AppendText(out, R"(,"worker":)", hello.worker);
  AppendInt(out, R"(,"generation":)", hello.generation);
  AppendInt(out, R"(,"max_line":)", static_cast<std::int64_t>(hello.max_line));
  if (hello.start_timeout_ms) AppendInt(out, R"(,"start_timeout_ms":)", *hello.start_timeout_ms);
  if (hello.graceful_timeout_ms) {
    AppendInt(out, R"(,"graceful_timeout_ms":)", *hello.graceful_timeout_ms);
  }
  AppendInt(out, R"(,"abort_timeout_ms":)", hello.abort_timeout_ms);
  if (hello.max_jobs > 0) AppendInt(out, R"(,"max_jobs":)", hello.max_jobs);
  out += R"(,"features":[)";
  std::string_view comma;
  for (const std::string& feature : hello.features) {
    AppendText(out, comma, feature);
    comma = ",";
  }
  out += ']';
  if (!hello.config.empty()) {
    std::string scratch;
    out += R"(,"config":)";
    out += OnOneLine(hello.config, scratch);
  }
  out += "}\n";
}

void AppendJob(std::string& out, const JobMessage& job) {
  out.reserve(out.size() + kEnvelopeSize + job.args.size());
  AppendJobHead(out, job);
  if (job.args_binary) {
    out += R"(,"args_b64":")";
    AppendBase64(out, job.args);
    out += '"';
  } else {
    out += R"(,"args":)";
    out += job.args.empty() ? "null" : job.args;
  }
  AppendJobTail(out, job);
}

void AppendCancel(std::string& out, std::string_view id, std::string_view reason) {
  AppendText(out, R"({"type":"cancel","id":)", id);
  AppendText(out, R"(,"reason":)", reason);
  out += "}\n";
}

void AppendShutdown(std::string& out, std::string_view reason, std::int64_t deadline_ms) {
  AppendText(out, R"({"type":"shutdown","reason":)", reason);
  if (deadline_ms >= 0) AppendInt(out, R"(,"deadline_ms":)", deadline_ms);
  out += "}\n";
}

void AppendReply(std::string& out, std::string_view ref, bool ok, std::string_view result,
                 std::string_view error) {
  AppendText(out, R"({"type":"reply","id":)", ref);
  out += ok ? R"(,"ok":true)" : R"(,"ok":false)";
  if (ok && !result.empty()) {
    std::string scratch;
    out += R"(,"result":)";
    out += OnOneLine(result, scratch);
  }
  if (!ok) {
    out += R"(,"error":)";
    out += MakeError({}, error);
  }
  out += "}\n";
}

void AppendPing(std::string& out, std::string_view id) {
  AppendText(out, R"({"type":"ping","id":)", id);
  out += "}\n";
}

std::string MakeError(std::string_view code, std::string_view message,
                      std::string_view last_words) {
  std::string out;
  if (code.empty()) {
    AppendText(out, R"({"message":)", message);
  } else {
    AppendText(out, R"({"code":)", code);
    AppendText(out, R"(,"message":)", message);
  }
  if (const std::string_view end = EndOf(last_words); !end.empty()) {
    AppendText(out, R"(,"stderr":)", end);
  }
  out += '}';
  return out;
}

std::string_view ShortenError(std::string_view error, std::size_t most, std::string& scratch) {
  if (error.size() <= most) return error;
  Object members;
  (void)Object::Parse(error, members);
  const auto text = [&members](const char* name) {
    return ReadString(members.Find(name)).value_or("");
  };
  const std::string message = text("message");
  const std::string trace = text("trace");
  // Escapes may make a text longer than it is.
  for (std::size_t share = most / 2; share > 0; share /= 2) {
    scratch.clear();
    AppendText(scratch, R"({"message":)", std::string_view(message).substr(0, share));
    for (const auto& [name, value] :
         {std::pair(R"(,"code":)", text("code")), std::pair(R"(,"class":)", text("class")),
          std::pair(R"(,"trace":)", trace)}) {
      if (!value.empty()) AppendText(scratch, name, std::string_view(value).substr(0, share / 2));
    }
    scratch += R"(,"shortened":true})";
    if (scratch.size() <= most) break;
  }
  return scratch;
}

}  // namespace workman::protocol
