// Ids that cannot be mixed up: a slot is not a token, and neither is a pid.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

namespace workmand {

/// A number that means one thing. `Tag` is never defined.
template <typename Tag, typename Number>
struct Id {
  Number value{};
  // NOLINTNEXTLINE(modernize-use-nullptr): the linter takes the 0 in it for a pointer.
  friend constexpr auto operator<=>(Id, Id) = default;
};

/// A place for a worker; keeps its number over the lives of the processes in it.
using SlotId = Id<struct SlotTag, std::uint32_t>;
/// Of the profile and the code; +1 per restart.
using Generation = Id<struct GenerationTag, std::uint32_t>;
/// A driver's name for one job that it handed out; never reused within a session of the driver.
using Token = Id<struct TokenTag, std::uint64_t>;

/// The random name of one delivery, unguessable, never reused: what the worker sees as `id`.
/// Always 16 characters of [0-9A-Za-z].
class DeliveryId {
 public:
  static constexpr std::size_t kLength = 16;
  DeliveryId() = default;
  explicit DeliveryId(const std::array<char, kLength>& text) : text_(text) {}
  [[nodiscard]] std::string_view view() const { return {text_.data(), text_.size()}; }
  friend bool operator==(const DeliveryId&, const DeliveryId&) = default;

 private:
  std::array<char, kLength> text_{};
};

}  // namespace workmand

template <typename Tag, typename Number>
struct std::hash<workmand::Id<Tag, Number>> {
  std::size_t operator()(workmand::Id<Tag, Number> id) const noexcept {
    return std::hash<Number>{}(id.value);
  }
};
