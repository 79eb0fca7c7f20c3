// What a job's payload and a program's output are, by the profile. Pure: bytes in, bytes out.
#pragma once

#include <string>
#include <string_view>

#include "daemon/base/result.h"
#include "daemon/profile/profile.h"

namespace workmand {

/// Why a job cannot be given to any worker: the code of its error, and a sentence. It becomes a
/// dead letter.
struct Unfit {
  std::string_view code;  ///< empty = it can
  std::string sentence;
};

enum class PayloadForm { kJson, kText, kBytes };

/// A payload in the form that the profile asks for.
struct FittedInput {
  PayloadForm form = PayloadForm::kJson;
  /// JSON on one line, text, or any bytes; valid as long as the payload and `scratch` are.
  std::string_view bytes;
  Unfit unfit;
};
/// `scratch` keeps what had to be rewritten. An empty payload is null where JSON is asked for.
FittedInput FitInput(std::string_view payload, PayloadKind kind, std::string& scratch);

/// A program's output as the result of its job: bytes as they are, or one JSON value on one line,
/// where nothing but blanks is null. Error: what it is instead of a JSON value. The view is valid
/// as long as `output` and `scratch` are.
[[nodiscard]] Result<std::string_view> ReadOutput(std::string_view output, OutputKind kind,
                                                  std::string& scratch);

}  // namespace workmand
