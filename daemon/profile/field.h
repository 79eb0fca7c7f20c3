// One value of a profile while it is read, and the profile that comes out of it. What a key means
// is said in the table (keys.cc); here is what all of them share.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "daemon/profile/problems.h"
#include "daemon/profile/profile.h"
#include "daemon/profile/yaml_text.h"

namespace workmand {

/// A profile being read: what the file said so far, and where.
struct Draft {
  Profile profile;
  std::string env_file;  ///< as written
  /// Of every key that the file or an override gave, by dotted path.
  std::map<std::string, Place, std::less<>> places;

  [[nodiscard]] bool Has(std::string_view key) const { return places.find(key) != places.end(); }
  /// Where `key` was given; no place when it was not.
  [[nodiscard]] Place PlaceOf(std::string_view key) const;
};

/// A value, what it is called, and where complaints about it go.
class Field {
 public:
  Field(const YamlNode& node, std::string path, Problems& problems)
      : node_(node), path_(std::move(path)), problems_(problems) {}

  [[nodiscard]] const YamlNode& node() const { return node_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] Problems& problems() const { return problems_; }

  void Refuse(std::string sentence) const;
  /// The same for a value below this one.
  [[nodiscard]] Field Below(const YamlNode& node, std::string_view name) const;
  [[nodiscard]] Field Item(std::size_t index) const;

  /// The scalar's text; nullptr, after a complaint, when this is no scalar. Null is "".
  [[nodiscard]] const std::string* Text() const;
  /// Whether this is a mapping, or null, which is one without keys; complains when not.
  [[nodiscard]] bool IsMapping() const;
  /// Complains about an entry of this mapping that nobody knows.
  void RefuseUnknown(const YamlNode::Entry& entry, const std::vector<std::string>& known) const;

 private:
  const YamlNode& node_;
  std::string path_;
  Problems& problems_;
};

}  // namespace workmand
