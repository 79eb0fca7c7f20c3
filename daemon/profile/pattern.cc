#include "daemon/profile/pattern.h"

#include <array>
#include <regex.h>
#include <utility>

namespace workmand {

struct Pattern::Compiled {
  Compiled() = default;
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;
  ~Compiled() {
    if (usable) regfree(&expression);
  }
  regex_t expression{};
  bool usable = false;
};

Result<Pattern> Pattern::Compile(const std::string& text) {
  auto compiled = std::make_shared<Compiled>();
  const int error = regcomp(&compiled->expression, text.c_str(), REG_EXTENDED);
  if (error != 0) {
    std::array<char, 256> why{};
    regerror(error, &compiled->expression, why.data(), why.size());
    return Fail(ErrorCode::kInvalid, std::string("is no regular expression: ") + why.data());
  }
  compiled->usable = true;
  return Pattern(std::move(compiled));
}

bool Pattern::FoundIn(std::string_view text) const {
  // REG_STARTEND: the text may hold NUL and needs none at its end.
  std::array<regmatch_t, 1> match{};
  match[0].rm_so = 0;
  match[0].rm_eo = static_cast<regoff_t>(text.size());
  return regexec(&compiled_->expression, text.data() == nullptr ? "" : text.data(), match.size(),
                 match.data(), REG_STARTEND) == 0;
}

}  // namespace workmand
