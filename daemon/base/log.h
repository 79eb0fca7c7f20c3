// The log sink: structured events to stderr or a file, as text or one JSON object a line.
// Any thread may log. spdlog does the writing and stays behind this header.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/base/result.h"

namespace workmand::log {

enum class Level { kTrace, kDebug, kInfo, kWarn, kError, kOff };
enum class Format { kText, kJson };

struct Options {
  Level level = Level::kInfo;
  Format format = Format::kText;
  std::string file;     ///< empty = stderr
  std::string profile;  ///< stands in every line
};

/// One key with its value. Numbers and booleans are written bare in JSON.
struct Field {
  Field(std::string_view k, std::string_view v) : key(k), text(v) {}
  Field(std::string_view k, const char* v) : key(k), text(v) {}
  Field(std::string_view k, const std::string& v) : key(k), text(v) {}
  Field(std::string_view k, bool v) : key(k), text(v ? "true" : "false"), bare(true) {}
  template <typename Number>
  requires std::is_arithmetic_v<Number> Field(std::string_view k, Number v)
      : key(k), text(std::to_string(v)), bare(true) {}

  std::string_view key;
  std::string text;
  bool bare = false;
};

/// Opens the sink. Called once by main before any thread starts; again on reload.
[[nodiscard]] Result<void> Configure(const Options& options);
/// Reopens the log file (after rotation). Without a file it does nothing.
void Reopen();
[[nodiscard]] bool Enabled(Level level);

/// A field whose text is empty is left out. Writes `event` (a short stable word or phrase, e.g.
/// "worker ready") with its fields. Text: `2026-01-02T03:04:05.678Z info  thumbs worker ready
/// worker=thumbs-1 pid=42`. JSON: `{"time":…,"level":"info","profile":"thumbs","event":"worker
/// ready","worker":"thumbs-1"}`.
void Write(Level level, std::string_view event, const std::vector<Field>& fields);

inline void Debug(std::string_view event, std::initializer_list<Field> fields = {}) {
  if (Enabled(Level::kDebug)) Write(Level::kDebug, event, fields);
}
inline void Info(std::string_view event, std::initializer_list<Field> fields = {}) {
  if (Enabled(Level::kInfo)) Write(Level::kInfo, event, fields);
}
inline void Warn(std::string_view event, std::initializer_list<Field> fields = {}) {
  if (Enabled(Level::kWarn)) Write(Level::kWarn, event, fields);
}
inline void Err(std::string_view event, std::initializer_list<Field> fields = {}) {
  if (Enabled(Level::kError)) Write(Level::kError, event, fields);
}

[[nodiscard]] Result<Level> ParseLevel(std::string_view text);
[[nodiscard]] std::string_view ToString(Level level);

}  // namespace workmand::log
