// A message of Celery, protocol 2: its body, which is the same with every broker, and the whole as
// kombu keeps it in Redis. Taken apart and put together. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace workmand::celery {

inline constexpr const char* kNoProtocol2 = "this is no message of Celery's protocol 2";

struct CeleryMessage {
  std::string task;
  std::string id;
  std::string args;             ///< JSON array
  std::string kwargs;           ///< JSON object
  std::int64_t eta_ms = 0;      ///< Unix epoch; 0 = none
  std::int64_t expires_ms = 0;  ///< Unix epoch; 0 = never
  int retries = 0;
  bool ignore_result = false;
  /// Why it cannot be run: a sentence, such as that it is a pickle; empty = it can.
  std::string broken;
};

[[nodiscard]] CeleryMessage ParseCeleryMessage(std::string_view element);

/// Fills args and kwargs, or `broken`, from the decoded body of a message of this content type.
void ReadCeleryBody(std::string_view type, std::string_view body, CeleryMessage& message);
/// The body of a new task, before any encoding.
[[nodiscard]] std::string MakeCeleryBody(const CeleryMessage& message);

/// Arguments as people are shown them beside a message: cut off after a while.
[[nodiscard]] std::string ShownArguments(std::string_view arguments);

/// The message of a new task, without a time.
[[nodiscard]] std::string MakeCeleryMessage(const CeleryMessage& message, std::string_view queue);

/// A payload as args and kwargs; `whole` says how (see ToCeleryPayload).
void ToCeleryArguments(std::string_view payload, CeleryMessage& message, int& whole);
/// What a worker gets. 0 = `{"args":[…],"kwargs":{…}}`, which is what a job of Celery becomes;
/// 1 = the only argument; 2 = the bytes whose base64 is the only argument; 3 = args.
[[nodiscard]] std::string ToCeleryPayload(const CeleryMessage& message, int whole);

/// "2026-01-02T03:04:05.678901+00:00" in ms after the epoch; without a zone it is UTC; 0 = no time.
[[nodiscard]] std::int64_t ParseCeleryTime(std::string_view text);

}  // namespace workmand::celery
