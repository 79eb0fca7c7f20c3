// The name of a job in the ledger: a fixed number of bytes, cheap to make for every job that comes.
// Pure.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string_view>

#include "daemon/base/job.h"

namespace workmand {

/// A hash of id, task, unique key and payload. The id alone does not do: a broker that keeps
/// nothing on disk begins to count anew when it is started again, and the new job of an old name
/// must not inherit what the old one did. Two jobs with one key would share their counts, no more.
struct LedgerKey {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend bool operator==(const LedgerKey&, const LedgerKey&) = default;
  [[nodiscard]] bool empty() const { return high == 0 && low == 0; }
};

/// Stable over versions of this program, since keys stand in files.
class LedgerHash {
 public:
  void Add(std::string_view text) {
    Mix(text.size());
    for (; text.size() >= sizeof(std::uint64_t); text.remove_prefix(sizeof(std::uint64_t))) {
      Mix(Word(text.substr(0, sizeof(std::uint64_t))));
    }
    if (!text.empty()) Mix(Word(text));
  }
  /// Never the empty key.
  [[nodiscard]] LedgerKey Finish() const {
    return {Finish(high_), std::max<std::uint64_t>(Finish(low_), 1)};
  }

 private:
  static std::uint64_t Word(std::string_view bytes) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data(), bytes.size());
    return word;
  }
  static std::uint64_t Finish(std::uint64_t word) {
    word = (word ^ (word >> 32U)) * 0xd6e8feb86659fd93ULL;
    return word ^ (word >> 32U);
  }
  void Mix(std::uint64_t word) {
    high_ = (high_ ^ word) * 0x9e3779b97f4a7c15ULL;
    high_ ^= high_ >> 29U;
    low_ = (low_ ^ word) * 0xc2b2ae3d27d4eb4fULL;
    low_ ^= low_ >> 32U;
  }

  std::uint64_t high_ = 0x243f6a8885a308d3ULL;
  std::uint64_t low_ = 0x13198a2e03707344ULL;
};

inline LedgerKey KeyOf(const Job& job) {
  /// Of a long payload this much, and its size, tell it from others.
  constexpr std::size_t kEnough = 4096;
  const std::string_view payload = job.payload;
  LedgerHash hash;
  hash.Add(job.id);
  hash.Add(job.task);
  hash.Add(job.unique);
  hash.Add(payload.substr(0, kEnough));
  hash.Add({});
  LedgerKey key = hash.Finish();
  key.high ^= payload.size();
  return key;
}

}  // namespace workmand

template <>
struct std::hash<workmand::LedgerKey> {
  std::size_t operator()(const workmand::LedgerKey& key) const noexcept { return key.low; }
};
