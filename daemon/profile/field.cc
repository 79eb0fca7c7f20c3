#include "daemon/profile/field.h"

#include "daemon/profile/text.h"

namespace workmand {
namespace {

std::string_view Describe(YamlNode::Kind kind) {
  switch (kind) {
    case YamlNode::Kind::kNull: return "nothing";
    case YamlNode::Kind::kScalar: return "a single value";
    case YamlNode::Kind::kSequence: return "a list";
    case YamlNode::Kind::kMapping: return "a mapping";
  }
  return "";
}

std::string Join(std::string_view path, std::string_view name) {
  return path.empty() ? std::string(name) : std::string(path) + "." + std::string(name);
}

}  // namespace

Place Draft::PlaceOf(std::string_view key) const {
  const auto found = places.find(key);
  return found == places.end() ? Place{} : found->second;
}

void Field::Refuse(std::string sentence) const {
  problems_.Add(node_.place, path_, std::move(sentence));
}

Field Field::Below(const YamlNode& node, std::string_view name) const {
  return {node, Join(path_, name), problems_};
}

Field Field::Item(std::size_t index) const {
  return {node_.items[index], path_ + "[" + std::to_string(index) + "]", problems_};
}

const std::string* Field::Text() const {
  if (node_.broken) return nullptr;
  const bool single = node_.kind == YamlNode::Kind::kScalar || node_.kind == YamlNode::Kind::kNull;
  if (single) return &node_.text;
  Refuse("must be a single value (got " + std::string(Describe(node_.kind)) + ")");
  return nullptr;
}

bool Field::IsMapping() const {
  if (node_.broken) return false;
  if (node_.kind == YamlNode::Kind::kMapping || node_.kind == YamlNode::Kind::kNull) return true;
  Refuse("must be a mapping (got " + std::string(Describe(node_.kind)) + ")");
  return false;
}

void Field::RefuseUnknown(const YamlNode::Entry& entry,
                          const std::vector<std::string>& known) const {
  const std::string near = NearestName(entry.key, known);
  std::string sentence = "unknown key";
  if (!near.empty()) sentence += "; did you mean '" + Join(path_, near) + "'?";
  problems_.Add(entry.place, Join(path_, entry.key), std::move(sentence));
}

}  // namespace workmand
