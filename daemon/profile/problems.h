// Collects everything that is wrong with a profile while it is being read, and lists it in the
// order in which a person finds it: by place in the file, then the overrides, then other files.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/profile/load.h"
#include "daemon/profile/yaml_text.h"

namespace workmand {

class Problems {
 public:
  using Overrides = std::vector<std::pair<std::string, std::string>>;

  /// `overrides` are those of LoadOptions: place.source n is overrides[n - 1].
  Problems(std::string file, const Overrides& overrides);

  /// `key` is the dotted path; empty for the file as a whole.
  void Add(const Place& place, std::string key, std::string sentence);
  /// Something wrong in another file that the profile names.
  void AddIn(std::string file, int line, std::string sentence);

  /// Whether something was found at `key` or below it.
  [[nodiscard]] bool Has(std::string_view key) const;

  /// Sorted.
  [[nodiscard]] std::vector<ProfileError> Take() &&;

 private:
  struct Entry {
    int rank;         ///< 0 = the profile, n = the n-th override, then other files
    std::string key;  ///< also where the message leaves it out
    ProfileError error;
  };

  std::string file_;
  const Overrides& overrides_;
  std::vector<Entry> entries_;
};

/// Whether `key` is `above` or lies below it ("log" is above "log.level").
[[nodiscard]] bool IsBelow(std::string_view key, std::string_view above);

}  // namespace workmand
