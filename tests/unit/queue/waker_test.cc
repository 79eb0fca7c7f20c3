#include <array>
#include <poll.h>
#include <thread>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "daemon/base/time.h"
#include "daemon/queue/queue.h"

namespace workmand {
namespace {

constexpr Duration kLong{10'000};
constexpr Duration kShort{1};

class Pipe {
 public:
  Pipe() { REQUIRE(pipe(ends_.data()) == 0); }
  ~Pipe() {
    close(ends_[0]);
    close(ends_[1]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  [[nodiscard]] int reader() const { return ends_[0]; }
  void Write() const { REQUIRE(write(ends_[1], "x", 1) == 1); }

 private:
  std::array<int, 2> ends_{};
};

TEST_CASE("a wake before the wait ends it at once", "[queue]") {
  const Waker waker;
  waker.Wake();

  CHECK(waker.Wait(-1, 0, kLong) == Waker::Why::kWoken);
}

TEST_CASE("a wake lasts until it is taken", "[queue]") {
  const Waker waker;
  waker.Wake();
  waker.Wake();

  CHECK(waker.Wait(-1, 0, kLong) == Waker::Why::kWoken);
  CHECK(waker.Wait(-1, 0, kLong) == Waker::Why::kWoken);
  CHECK(waker.Take());
  CHECK_FALSE(waker.Take());
  CHECK(waker.Wait(-1, 0, kShort) == Waker::Why::kTimeout);
}

TEST_CASE("a wake from another thread ends a wait without end", "[queue]") {
  const Waker waker;
  std::thread other([&waker] { waker.Wake(); });

  const Waker::Why why = waker.Wait(-1, 0, kInfinite);
  other.join();

  CHECK(why == Waker::Why::kWoken);
}

TEST_CASE("a wait ends when its descriptor is ready", "[queue]") {
  const Waker waker;
  const Pipe pipe;
  CHECK(waker.Wait(pipe.reader(), POLLIN, kShort) == Waker::Why::kTimeout);

  pipe.Write();

  CHECK(waker.Wait(pipe.reader(), POLLIN, kLong) == Waker::Why::kReady);
}

TEST_CASE("a wake wins over a ready descriptor", "[queue]") {
  const Waker waker;
  const Pipe pipe;
  pipe.Write();
  waker.Wake();

  CHECK(waker.Wait(pipe.reader(), POLLIN, kLong) == Waker::Why::kWoken);
}

}  // namespace
}  // namespace workmand
