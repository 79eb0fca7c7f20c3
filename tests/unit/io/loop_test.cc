#include <csignal>
#include <mutex>
#include <thread>

#include <catch2/catch.hpp>

#include "tests/unit/io/harness.h"

namespace workmand::io {

TEST_CASE("timers fire by their moments and not by the order of setting", "[io]") {
  TestLoop test;
  std::string order;
  Timer late(test.loop, [&] { order += 'c'; });
  Timer early(test.loop, [&] { order += 'a'; });
  Timer middle(test.loop, [&] { order += 'b'; });
  const TimePoint now = test.loop.Now();
  late.Set(After(now, Duration{30}));
  early.Set(After(now, Duration{1}));
  middle.Set(After(now, Duration{15}));

  test.loop.Run();

  CHECK(order == "abc");
}

TEST_CASE("timers for one moment fire in the order in which they were set", "[io]") {
  TestLoop test;
  std::string order;
  Timer first(test.loop, [&] { order += '1'; });
  Timer second(test.loop, [&] { order += '2'; });
  const TimePoint due = After(test.loop.Now(), Duration{5});
  second.Set(due);
  first.Set(due);

  test.loop.Run();

  CHECK(order == "21");
}

TEST_CASE("a timer does not fire before its moment", "[io]") {
  TestLoop test;
  TimePoint fired{};
  Timer timer(test.loop, [&] { fired = test.loop.Now(); });
  const TimePoint due = test.loop.Now() + std::chrono::microseconds(7300);
  timer.Set(due);

  test.loop.Run();

  CHECK(fired >= due);
}

TEST_CASE("a timer set for the past fires in the next turn and not within Set", "[io]") {
  TestLoop test;
  int fired = 0;
  Timer timer(test.loop, [&] { ++fired; });

  timer.Set(test.loop.Now() - std::chrono::hours(1));

  CHECK(fired == 0);
  test.loop.Run();
  CHECK(fired == 1);
}

TEST_CASE("a timer that is stopped or set to never does not fire", "[io]") {
  TestLoop test;
  int fired = 0;
  Timer stopped(test.loop, [&] { ++fired; });
  Timer never(test.loop, [&] { ++fired; });
  stopped.Set(test.loop.Now());
  never.Set(test.loop.Now());

  stopped.Stop();
  never.Set(kNever);
  test.loop.Run();

  CHECK(fired == 0);
}

TEST_CASE("a timer may set itself again and be destroyed by its own callback", "[io]") {
  TestLoop test;
  int fired = 0;
  std::unique_ptr<Timer> timer;
  const std::string captured(100, 'x');
  timer = std::make_unique<Timer>(test.loop, [&, captured] {
    if (++fired < 3) {
      timer->Set(test.loop.Now());
    } else {
      timer.reset();
      fired += captured == std::string(100, 'x') ? 10 : 0;
    }
  });
  timer->Set(test.loop.Now());

  test.loop.Run();

  CHECK(fired == 13);
}

TEST_CASE("what a timer leaves to the turn's end is done before the loop sleeps", "[io]") {
  TestLoop test;
  bool work = false;
  Timer timer(test.loop, [&] { work = true; });
  Timer far(test.loop, [] {});
  bool done = false;
  test.loop.OnTurnEnd([&] {
    if (!work || done) return;
    done = true;
    test.loop.Stop();
  });
  timer.Set(After(test.loop.Now(), Duration{1}));
  far.Set(After(test.loop.Now(), std::chrono::seconds(10)));
  const TimePoint before = test.loop.Now();

  test.loop.Run();

  CHECK(done);
  CHECK(test.loop.Now() - before < std::chrono::seconds(5));
}

TEST_CASE("a turn's end is called once per turn and once more when the loop ends", "[io]") {
  TestLoop test;
  int ends = 0;
  int calls = 0;
  test.loop.OnTurnEnd([&] { ++ends; });
  Async async(test.loop, [&] {
    if (++calls == 5) {
      test.loop.Stop();
    } else {
      async.Send();
    }
  });
  async.Send();

  test.loop.Run();

  CHECK(calls == 5);
  CHECK(ends == 6);  // before the first sleep, after each call, of which the last ended the loop
}

TEST_CASE("timers that are always due do not keep the loop from other events", "[io]") {
  TestLoop test;
  int fired = 0;
  Timer busy(test.loop, [&] {
    ++fired;
    busy.Set(test.loop.Now());
  });
  Async async(test.loop, [&] { test.loop.Stop(); });
  busy.Set(test.loop.Now());
  async.Send();

  test.loop.Run();

  CHECK(fired < 10);
}

TEST_CASE("a sleeping loop does not turn", "[io]") {
  TestLoop test;
  int turns = 0;
  Timer timer(test.loop, [] {});
  test.loop.OnTurnEnd([&] { ++turns; });
  timer.Set(After(test.loop.Now(), Duration{60}));

  test.loop.Run();

  CHECK(turns <= 4);
}

TEST_CASE("another thread wakes the loop", "[io]") {
  TestLoop test;
  std::mutex mutex;
  int sent = 0;
  int seen = 0;
  Async async(test.loop, [&] {
    const std::lock_guard lock(mutex);
    seen = sent;
  });
  std::thread thread([&] {
    for (int i = 0; i < 100; ++i) {
      {
        const std::lock_guard lock(mutex);
        ++sent;
      }
      async.Send();
    }
  });

  const bool woken = test.Wait([&] { return seen == 100; });
  thread.join();

  CHECK(woken);
}

TEST_CASE("a wake-up may destroy its receiver", "[io]") {
  TestLoop test;
  int calls = 0;
  std::unique_ptr<Async> async;
  async = std::make_unique<Async>(test.loop, [&] {
    async.reset();
    ++calls;
  });
  async->Send();

  test.loop.Run();

  CHECK(calls == 1);
}

TEST_CASE("a signal is an ordinary call of the loop", "[io]") {
  TestLoop test;
  std::vector<int> seen;
  Signals signals(test.loop, {SIGUSR1, SIGUSR2}, [&](int signo) { seen.push_back(signo); });

  ::raise(SIGUSR2);
  const bool first = test.Wait([&] { return seen.size() == 1; });
  ::raise(SIGUSR1);
  const bool second = test.Wait([&] { return seen.size() == 2; });

  CHECK(first);
  CHECK(second);
  CHECK(seen == std::vector<int>{SIGUSR2, SIGUSR1});
}

TEST_CASE("a loop makes SIGPIPE harmless for the process", "[io]") {
  const TestLoop test;
  struct sigaction now {};

  ::sigaction(SIGPIPE, nullptr, &now);

  CHECK(now.sa_handler == SIG_IGN);
}

}  // namespace workmand::io
