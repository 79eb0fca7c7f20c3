// A YAML text as a plain tree with places: what the loader works on. The parser library stays
// behind this header (yaml_text.cc), and so do its exceptions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/profile/profile.h"

namespace workmand {

/// Where a value comes from.
struct Place {
  int source = 0;  ///< 0 = the profile file, n = the n-th `--set`, from 1
  Mark mark;
};

struct YamlNode {
  enum class Kind { kNull, kScalar, kSequence, kMapping };
  struct Entry;

  Kind kind = Kind::kNull;
  std::string text;             ///< of a scalar
  bool quoted = false;          ///< a scalar in quotes or with `!!str`: always a string
  bool broken = false;          ///< an error was already reported for it
  Place place;                  ///< of the value; of its key when it is null
  std::vector<YamlNode> items;  ///< of a sequence
  std::vector<Entry> entries;   ///< of a mapping, in the order of the file, duplicates kept

  /// The value of the first entry with this key, or nullptr.
  [[nodiscard]] const YamlNode* Find(std::string_view key) const;
};

struct YamlNode::Entry {
  std::string key;
  Place place;
  YamlNode value;
};

/// Why a text is not YAML as we take it, and where.
struct YamlProblem {
  Mark mark;
  std::string sentence;
};

struct YamlText {
  YamlNode root;
  std::optional<YamlProblem> problem;
};

/// Parses one document. Aliases are copied in; merge keys, tags of other types, several documents
/// and control characters are refused. Never throws.
YamlText ParseYaml(std::string_view text, int source);

}  // namespace workmand
