#include "daemon/cli/letters.h"

#include <array>
#include <cstddef>
#include <ctime>
#include <string_view>

#include "daemon/admin/verbs.h"
#include "daemon/cli/tables.h"
#include "protocol/encode.h"
#include "protocol/json_slicer.h"
#include "protocol/json_text.h"

namespace workmand::cli {
namespace {

namespace json = workman::protocol;

/// The widest error in a table, in bytes.
constexpr std::size_t kMostOfError = 100;

std::string FirstLine(std::string_view text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  if (line.size() <= kMostOfError) return Printable(line);
  std::size_t end = kMostOfError;
  while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xC0U) == 0x80U) --end;
  return Printable(line.substr(0, end)) + "…";
}

/// `text` line by line, each behind two spaces. Tabs, which stack traces are full of, stay blanks.
std::string Indented(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    out += "  ";
    std::string line(text.substr(0, end));
    for (std::size_t tab = line.find('\t'); tab != std::string::npos; tab = line.find('\t', tab)) {
      line.replace(tab, 1, "    ");
    }
    out += Printable(line) + '\n';
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return out;
}

std::string Block(std::string_view title, std::string_view text) {
  return "\n" + std::string(title) + ":\n" + Indented(text);
}

std::string ArgumentsBlock(std::string_view payload) {
  if (payload.empty()) return "\nargs: none\n";
  if (json::IsUtf8(payload)) return Block("args", payload);
  std::string base64;
  json::AppendBase64(base64, payload);
  return Block("args, as base64", base64);
}

/// The letter's error as an object on one line, whatever the worker made of it.
std::string ErrorObject(const DeadLetter& letter) {
  json::Object ignored;
  const json::JsonError error = json::Object::Parse(letter.error, ignored);
  const bool is_object = error == json::JsonError::kNone ||
                         error == json::JsonError::kDuplicateKey ||
                         error == json::JsonError::kTooManyMembers;
  if (!is_object) return json::MakeError({}, FailureMessage(letter.error));
  std::string scratch;
  return std::string(json::OnOneLine(letter.error, scratch));
}

void AppendText(std::string& out, std::string_view member, std::string_view text) {
  out += member;
  json::AppendString(out, text);
}

void AppendArguments(std::string& out, std::string_view bytes, PayloadKind kind) {
  const bool may_be_json = kind == PayloadKind::kJson || kind == PayloadKind::kAuto;
  if (may_be_json && json::IsJson(bytes, json::kMaxPayloadDepth)) {
    std::string scratch;
    out += R"(,"args":)";
    out += json::OnOneLine(bytes, scratch);
  } else if (kind == PayloadKind::kText && json::IsUtf8(bytes)) {
    AppendText(out, R"(,"args":)", bytes);
  } else {
    out += R"(,"args_b64":")";
    json::AppendBase64(out, bytes);
    out += '"';
  }
}

/// Everything but the closing brace.
std::string OpenObject(const DeadLetter& letter) {
  std::string out;
  AppendText(out, R"({"id":)", letter.id);
  AppendText(out, R"(,"task":)", letter.task);
  out += R"(,"attempts":)" + std::to_string(letter.attempts);
  out += R"(,"deliveries":)" + std::to_string(letter.deliveries);
  out += R"(,"failed_at":)";
  out += letter.failed_at_ms == 0 ? "null" : std::to_string(letter.failed_at_ms);
  out += R"(,"error":)" + ErrorObject(letter);
  return out;
}

}  // namespace

std::string RenderLetterTable(const std::vector<DeadLetter>& letters) {
  std::vector<std::vector<std::string>> rows = {{"JOB", "TASK", "ATTEMPTS", "FAILED", "ERROR"}};
  for (const DeadLetter& letter : letters) {
    rows.push_back({Printable(letter.id), Printable(letter.task), std::to_string(letter.attempts),
                    UtcTime(letter.failed_at_ms), FirstLine(FailureMessage(letter.error))});
  }
  return RenderTable(rows);
}

std::string RenderLetter(const DeadLetter& letter) {
  std::vector<std::vector<std::string>> rows = {
      {"job", Printable(letter.id)},
      {"task", Printable(letter.task)},
      {"attempts", std::to_string(letter.attempts)},
      {"deliveries", std::to_string(letter.deliveries)},
      {"failed", UtcTime(letter.failed_at_ms)},
  };
  std::string blocks;
  const auto add = [&](std::string_view name, const std::string& text) {
    if (text.find('\n') != std::string::npos || name == "stderr") {
      blocks += Block(Printable(name), text);
    } else {
      rows.push_back({Printable(name), Printable(text)});
    }
  };
  add("error", FailureMessage(letter.error));
  const std::string error = ErrorObject(letter);
  json::Object object;
  (void)json::Object::Parse(error, object);
  for (const json::Member& member : object) {
    if (member.key == "message") continue;
    add(member.key, json::ReadString(member.value).value_or(std::string(member.value)));
  }
  return RenderTable(rows) + blocks + ArgumentsBlock(letter.payload);
}

std::string RenderLetterJson(const DeadLetter& letter) {
  return OpenObject(letter) + '}';
}

std::string RenderLetterJson(const DeadLetter& letter, PayloadKind payload) {
  std::string out = OpenObject(letter);
  AppendArguments(out, letter.payload, payload);
  return out + '}';
}

std::string UtcTime(std::int64_t epoch_ms) {
  if (epoch_ms == 0) return "-";
  const std::time_t seconds = epoch_ms / 1'000;
  std::tm parts{};
  if (::gmtime_r(&seconds, &parts) == nullptr) return "-";
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

}  // namespace workmand::cli
