// What the fuzz targets share: claims that end the process when they do not hold, and ways to cut
// an input into pieces. Driven by libFuzzer, or by replay_main.cc over files that are kept.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string_view>
#include <vector>

/// One input, of which nothing is kept. Each *_fuzz.cc defines it; the result is always 0.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace workmand::fuzz {

/// Ends the process, with `claim` on stderr, unless it holds. Not an assert: it counts in every
/// kind of build.
inline void Require(bool holds, const char* claim) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", claim);
  std::abort();
}

/// The bytes of an input as characters.
inline std::string_view Text(const std::uint8_t* data, std::size_t size) {
  // A view of nothing still points somewhere, as views of lines do.
  return size == 0 ? std::string_view("")
                   : std::string_view(reinterpret_cast<const char*>(data), size);
}

/// Whether `part` lies in `whole`; an empty one may be anywhere.
inline bool IsSlice(std::string_view part, std::string_view whole) {
  if (part.empty()) return true;
  const std::less_equal<> not_after;
  return not_after(whole.data(), part.data()) &&
         not_after(part.data() + part.size(), whole.data() + whole.size());
}

/// Takes the first byte off an input as a number, 0 when there is none.
inline unsigned TakeByte(std::string_view& input) {
  if (input.empty()) return 0;
  const auto byte = static_cast<unsigned char>(input.front());
  input.remove_prefix(1);
  return byte;
}

/// Cuts `stream` into pieces of changing lengths that `seed` decides: 0 leaves it whole, 1 makes
/// single bytes, others mix short and long pieces. The same seed gives the same pieces.
inline std::vector<std::string_view> Pieces(std::string_view stream, unsigned seed) {
  std::vector<std::string_view> pieces;
  std::uint32_t state = seed;
  while (!stream.empty()) {
    state = state * 1664525U + 1013904223U;
    std::size_t length = std::size_t{1} + ((state >> 24U) >> (state >> 13U & 7U));
    if (seed == 0) length = stream.size();
    if (seed == 1) length = 1;
    pieces.push_back(stream.substr(0, length));
    stream.remove_prefix(std::min(length, stream.size()));
  }
  return pieces;
}

}  // namespace workmand::fuzz
