#include "daemon/queue/drivers/kafka_window.h"

#include <random>
#include <set>

#include <catch2/catch.hpp>

namespace workmand::kafka {
namespace {

Window At(std::int64_t offset, std::string_view text = {}) {
  Window window;
  window.Restore(offset, text);
  return window;
}

TEST_CASE("what ends in order moves the offset", "[kafka]") {
  Window window = At(7);

  for (const std::int64_t offset : {7, 8, 9}) CHECK(window.See(offset));
  window.End(7);
  window.End(8);

  CHECK(window.Now().offset == 9);
  CHECK(window.Now().text.empty());
}

TEST_CASE("what ends behind a slow job is remembered over a restart", "[kafka]") {
  Window window = At(7);
  for (std::int64_t offset = 7; offset < 20; ++offset) CHECK(window.See(offset));
  for (const std::int64_t offset : {8, 9, 12}) window.End(offset);

  const Window::Position position = window.Now();
  Window again = At(position.offset, position.text);

  CHECK(position.offset == 7);
  for (const std::int64_t offset : {7, 10, 11, 13}) CHECK(again.See(offset));
  for (const std::int64_t offset : {8, 9, 12}) CHECK_FALSE(again.See(offset));
  again.End(7);
  CHECK(again.Now().offset == 10);
}

TEST_CASE("one slow job does not make the text long", "[kafka]") {
  Window window = At(0);
  CHECK(window.See(0));
  for (std::int64_t offset = 1; offset < 1'000'000; ++offset) window.End(offset);

  CHECK(window.Now().text.size() < 30);
  CHECK_FALSE(window.IsFull());
}

TEST_CASE("records that are no more do not hold up the offset", "[kafka]") {
  Window window = At(3);

  CHECK(window.See(5));  // 3 and 4 were compacted away
  CHECK(window.Now().offset == 5);
  CHECK(window.See(6));
  CHECK(window.See(9));
  window.End(6);
  window.End(5);

  CHECK(window.Now().offset == 9);
}

TEST_CASE("a text that is not ours counts as none", "[kafka]") {
  for (const std::string_view text :
       {"", "leader-1", "workmand1:", "workmand1:1", "workmand1:1,", "workmand1:-1,5",
        "workmand1:1,2,", "workmand1:1,2 ", "workmand1:zzzzzzzzzzzzzzzzzzzzz,1", "workmand2:1,2"}) {
    Window window = At(4, text);

    INFO(text);
    CHECK(window.Now().offset == 4);
    CHECK(window.See(4));
    CHECK(window.See(5));
  }
}

TEST_CASE("the text never grows beyond what a broker takes", "[kafka]") {
  Window window = At(1'000'000'000'000);
  // Every other record has ended.
  for (std::int64_t offset = 1'000'000'000'000; !window.IsFull(); ++offset) {
    CHECK(window.See(offset));
    if (offset % 2 == 1) window.End(offset);
  }

  CHECK(window.Now().text.size() <= Window::kMostText);
}

TEST_CASE("a window agrees with a plain set of offsets", "[kafka]") {
  constexpr std::int64_t kFirst = 100;
  constexpr std::int64_t kBehind = 160;
  std::minstd_rand random(11);
  for (int round = 0; round < 200; ++round) {
    Window window = At(kFirst);
    std::set<std::int64_t> open;
    for (std::int64_t offset = kFirst; offset < kBehind; ++offset) {
      CHECK(window.See(offset));
      open.insert(offset);
    }
    while (!open.empty()) {
      const auto one = std::next(open.begin(), static_cast<std::ptrdiff_t>(random() % open.size()));
      window.End(*one);
      open.erase(one);
      const Window::Position now = window.Now();
      REQUIRE(now.offset == (open.empty() ? kBehind : *open.begin()));
      const Window again = At(now.offset, now.text);
      for (std::int64_t offset = kFirst; offset < kBehind; ++offset) {
        REQUIRE(again.HasEnded(offset) == !open.contains(offset));
      }
    }
  }
}

}  // namespace
}  // namespace workmand::kafka
