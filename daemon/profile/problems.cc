#include "daemon/profile/problems.h"

#include <algorithm>
#include <tuple>

namespace workmand {

std::string ProfileError::ToString() const {
  std::string text = file;
  if (mark.line > 0) text += ":" + std::to_string(mark.line);
  if (mark.line > 0 && mark.column > 0) text += ":" + std::to_string(mark.column);
  if (!text.empty()) text += ": ";
  if (!key.empty()) text += key + ": ";
  return text + sentence;
}

bool IsBelow(std::string_view key, std::string_view above) {
  if (key.substr(0, above.size()) != above) return false;
  return key.size() == above.size() || key[above.size()] == '.';
}

Problems::Problems(std::string file, const Overrides& overrides)
    : file_(std::move(file)), overrides_(overrides) {}

void Problems::Add(const Place& place, std::string key, std::string sentence) {
  Entry entry{place.source, key, {file_, place.mark, key, std::move(sentence)}};
  if (place.source > 0) {
    const auto& [path, value] = overrides_[static_cast<std::size_t>(place.source) - 1];
    entry.error.file = "--set " + path + "=" + MaskPassword(value);
    entry.error.mark = {};
    if (path == key) entry.error.key.clear();
  }
  entries_.push_back(std::move(entry));
}

void Problems::AddIn(std::string file, int line, std::string sentence) {
  const int rank = static_cast<int>(overrides_.size()) + 1;
  entries_.push_back({rank, "", {std::move(file), {line, 0}, "", std::move(sentence)}});
}

bool Problems::Has(std::string_view key) const {
  return std::any_of(entries_.begin(), entries_.end(),
                     [&](const Entry& entry) { return IsBelow(entry.key, key); });
}

std::vector<ProfileError> Problems::Take() && {
  std::stable_sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.rank, a.error.mark.line, a.error.mark.column) <
           std::tie(b.rank, b.error.mark.line, b.error.mark.column);
  });
  std::vector<ProfileError> errors;
  for (Entry& entry : entries_) errors.push_back(std::move(entry.error));
  return errors;
}

}  // namespace workmand
