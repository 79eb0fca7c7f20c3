// How a failure travels between rooms: a value with a code for the program and a sentence for the
// person. Exceptions stay inside the profile loader, the JSON edges and the queue drivers.
#pragma once

#include <string>
#include <utility>

#include <tl/expected.hpp>

namespace workmand {

enum class ErrorCode {
  kInvalid,      ///< the caller's input is wrong; the message names the offending value
  kNotFound,     ///< what was asked for does not exist
  kUnavailable,  ///< the other side is away; the same call may succeed later
  kRefused,      ///< understood, and declined
  kTimeout,      ///< no answer within the time allowed
  kSystem,       ///< a system call failed; the message carries strerror
};

/// `message` is a sentence with the offending value; each layer prepends its context
/// ("conf/a.yaml:12: ...").
struct Error {
  ErrorCode code = ErrorCode::kInvalid;
  std::string message;
};

template <typename T>
using Result = tl::expected<T, Error>;

[[nodiscard]] inline tl::unexpected<Error> Fail(ErrorCode code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message)});
}

}  // namespace workmand
