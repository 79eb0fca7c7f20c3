#include "daemon/base/log.h"

#include <array>
#include <atomic>
#include <memory>
#include <mutex>

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace workmand::log {
namespace {

constexpr std::array<std::pair<Level, std::string_view>, 6> kLevels{{{Level::kTrace, "trace"},
                                                                     {Level::kDebug, "debug"},
                                                                     {Level::kInfo, "info"},
                                                                     {Level::kWarn, "warn"},
                                                                     {Level::kError, "error"},
                                                                     {Level::kOff, "off"}}};

/// The one mutable global of the daemon: a sink that every thread writes to. The lock guards the
/// pointers; spdlog's own sinks are thread-safe.
struct Sink {
  std::atomic<Level> level{Level::kOff};  ///< a copy for Enabled, which is asked for every job
  std::mutex mutex;
  Options options;
  std::shared_ptr<spdlog::logger> logger;
};

Sink& TheSink() {
  static Sink sink;
  return sink;
}

spdlog::level::level_enum ToSpdlog(Level level) {
  switch (level) {
    case Level::kTrace: return spdlog::level::trace;
    case Level::kDebug: return spdlog::level::debug;
    case Level::kInfo: return spdlog::level::info;
    case Level::kWarn: return spdlog::level::warn;
    case Level::kError: return spdlog::level::err;
    case Level::kOff: return spdlog::level::off;
  }
  return spdlog::level::info;
}

/// How many bytes the UTF-8 character at the start of `text` has; 0 = there is none.
std::size_t CharacterBytes(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t size = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (size == 0 || first > 0xF4 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return 0;
  }
  // Longer than need be, a surrogate, or beyond Unicode.
  if ((first == 0xE0 && byte(1) < 0xA0) || (first == 0xED && byte(1) > 0x9F)) return 0;
  if ((first == 0xF0 && byte(1) < 0x90) || (first == 0xF4 && byte(1) > 0x8F)) return 0;
  return size;
}

/// A worker may write any bytes; a line of the log is text, and one of JSON is JSON.
void AppendQuoted(std::string& out, std::string_view text) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  out += '"';
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (static_cast<unsigned char>(c) >= 0x80) {
      const std::size_t size = CharacterBytes(text.substr(i));
      out += size == 0 ? kReplacement : text.substr(i, size);
      i += size == 0 ? 0 : size - 1;
      continue;
    }
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
          constexpr std::string_view kHex = "0123456789abcdef";
          const auto byte = static_cast<unsigned char>(c);
          out += "\\u00";
          out += kHex[byte >> 4U];
          out += kHex[byte & 15U];
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

/// A value that needs no quotes in a text line.
bool IsPlain(std::string_view text) {
  if (text.empty()) return false;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) <= ' ' || c == '"' || c == '=' || c == 0x7f) return false;
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  }
  return true;
}

std::string Render(const Options& options, std::string_view level, std::string_view event,
                   const std::vector<Field>& fields) {
  std::string line;
  if (options.format == Format::kJson) {
    line = R"("level":)";
    AppendQuoted(line, level);
    line += R"(,"profile":)";
    AppendQuoted(line, options.profile);
    line += R"(,"event":)";
    AppendQuoted(line, event);
    for (const Field& field : fields) {
      if (field.text.empty()) continue;
      line += ',';
      AppendQuoted(line, field.key);
      line += ':';
      if (field.bare) {
        line += field.text;
      } else {
        AppendQuoted(line, field.text);
      }
    }
    line += '}';
    return line;
  }
  line = level;
  line.append(level.size() < 5 ? 5 - level.size() : 0, ' ');
  line += ' ';
  line += options.profile;
  line += options.profile.empty() ? "" : " ";
  line += event;
  for (const Field& field : fields) {
    if (field.text.empty()) continue;
    line += ' ';
    line += field.key;
    line += '=';
    if (field.bare || IsPlain(field.text)) {
      line += field.text;
    } else {
      AppendQuoted(line, field.text);
    }
  }
  return line;
}

Result<std::shared_ptr<spdlog::logger>> MakeLogger(const Options& options) {
  try {
    spdlog::sink_ptr sink;
    if (options.file.empty()) {
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    } else {
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.file);
    }
    auto logger = std::make_shared<spdlog::logger>("workmand", std::move(sink));
    logger->set_pattern(options.format == Format::kJson ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ",%v)"
                                                        : "%Y-%m-%dT%H:%M:%S.%eZ %v",
                        spdlog::pattern_time_type::utc);
    logger->set_level(ToSpdlog(options.level));
    logger->flush_on(spdlog::level::trace);
    return logger;
  } catch (const spdlog::spdlog_ex& e) {
    return Fail(ErrorCode::kSystem, "cannot open the log: " + std::string(e.what()));
  }
}

}  // namespace

Result<void> Configure(const Options& options) {
  auto logger = MakeLogger(options);
  if (!logger) return tl::unexpected(logger.error());
  Sink& sink = TheSink();
  const std::lock_guard lock(sink.mutex);
  sink.options = options;
  sink.logger = std::move(*logger);
  sink.level = options.level;
  return {};
}

void Reopen() {
  Options options;
  {
    Sink& sink = TheSink();
    const std::lock_guard lock(sink.mutex);
    options = sink.options;
  }
  if (options.file.empty()) return;
  if (auto reopened = Configure(options); !reopened) {
    Err("log not reopened", {{"error", reopened.error().message}});
  }
}

bool Enabled(Level level) {
  return level >= TheSink().level.load(std::memory_order_relaxed);
}

void Write(Level level, std::string_view event, const std::vector<Field>& fields) {
  std::shared_ptr<spdlog::logger> logger;
  std::string line;
  {
    Sink& sink = TheSink();
    const std::lock_guard lock(sink.mutex);
    if (sink.logger == nullptr) return;
    logger = sink.logger;
    line = Render(sink.options, ToString(level), event, fields);
  }
  logger->log(ToSpdlog(level), "{}", line);
}

Result<Level> ParseLevel(std::string_view text) {
  for (const auto& [level, name] : kLevels) {
    if (name == text) return level;
  }
  return Fail(ErrorCode::kInvalid,
              "must be trace, debug, info, warn, error or off (got '" + std::string(text) + "')");
}

std::string_view ToString(Level level) {
  for (const auto& [known, name] : kLevels) {
    if (known == level) return name;
  }
  return "?";
}

}  // namespace workmand::log
