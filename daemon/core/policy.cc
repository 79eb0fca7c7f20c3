#include "daemon/core/policy.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <string_view>

namespace workmand {
namespace {

/// splitmix64: spreads one seed over the generator's state.
std::uint64_t Spread(std::uint64_t& seed) {
  seed += 0x9e3779b97f4a7c15ULL;
  std::uint64_t z = seed;
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31U);
}

}  // namespace

Random::Random(std::uint64_t seed) {
  for (std::uint64_t& word : state_) word = Spread(seed);
}

std::uint64_t Random::Next() {
  const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t t = state_[1] << 17U;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

double Random::Fraction() {
  return static_cast<double>(Next() >> 11U) * 0x1.0p-53;
}

DeliveryId Random::NextDeliveryId() {
  // 64 characters, two of them twice: six bits make one, and no guess gets easier worth a mention.
  constexpr std::string_view kAlphabet =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz7Q";
  constexpr std::uint64_t kSixBits = 63;
  static_assert(kAlphabet.size() == kSixBits + 1);
  std::array<char, DeliveryId::kLength> text{};
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i % 8 == 0) bits = Next();
    text[i] = kAlphabet[bits & kSixBits];
    bits >>= 6U;
  }
  return DeliveryId(text);
}

JobPolicy Resolve(const Job& job, const Limits& limits, const Announcement* announced) {
  JobPolicy policy{limits.time_limit, limits.max_attempts, limits.stall_timeout, limits.retry, {}};
  if (announced != nullptr) {
    if (const TaskAnnouncement* task = announced->Find(job.task)) {
      policy.time_limit = task->time_limit.value_or(policy.time_limit);
      policy.max_attempts = task->max_attempts.value_or(policy.max_attempts);
      policy.stall = task->stall.value_or(policy.stall);
      policy.retry = task->retry.value_or(policy.retry);
      policy.on_abort = task->on_abort;
    }
  }
  if (!limits.tasks.empty()) {
    if (const auto it = limits.tasks.find(job.task); it != limits.tasks.end()) {
      policy.time_limit = it->second.time_limit.value_or(policy.time_limit);
      policy.max_attempts = it->second.max_attempts.value_or(policy.max_attempts);
    }
  }
  if (job.max_attempts > 0) policy.max_attempts = job.max_attempts;
  return policy;
}

Duration RetryDelay(const RetryBackoff& backoff, int attempt, double random_fraction) {
  const auto longest = static_cast<double>(backoff.max.count());
  const double grown =
      static_cast<double>(backoff.min.count()) * std::pow(backoff.factor, std::max(0, attempt - 1));
  const double capped = std::min(grown, longest);
  return Duration{std::llround(capped * (1.0 - backoff.jitter * random_fraction))};
}

int DrawMaxJobs(int max_jobs, double jitter, double random_fraction) {
  if (max_jobs <= 0) return 0;
  const auto less = static_cast<int>(std::floor(max_jobs * jitter * random_fraction));
  return std::max(1, max_jobs - less);
}

bool IsExhausted(const Job& job, int max_attempts, int max_aborts) {
  return job.attempt >= max_attempts || job.deliveries >= max_attempts + max_aborts;
}

bool AbortCounts(const Job& job, int max_aborts) {
  return job.deliveries - job.attempt >= max_aborts;
}

}  // namespace workmand
