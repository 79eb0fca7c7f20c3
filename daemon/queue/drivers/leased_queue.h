// A queue in the tables of a Perl job queue (leased_sql.h): what the drivers `theschwartz` and
// `qudo` share. The Perl clients and workers of that queue may use the tables at the same time.
// Driven by the pump or by a producer, on one thread; nobody tells it of new jobs, it looks.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemon/queue/drivers/leased_sql.h"
#include "daemon/queue/queue.h"
#include "daemon/queue/registry.h"

namespace workmand::sql {

struct LeasedSettings {
  std::string driver;  ///< for messages
  Caps caps;
  std::unique_ptr<LeasedFormat> format;
  std::function<std::unique_ptr<Session>()> connect;
  Duration lease_time{60'000};
  Duration interval{1'000};
};

class LeasedQueue final : public Queue {
 public:
  explicit LeasedQueue(LeasedSettings settings) : settings_(std::move(settings)) {}

  [[nodiscard]] Caps GetCaps() const override { return settings_.caps; }
  void Connect() override;
  void Disconnect() noexcept override;
  void RegisterTasks(std::span<const Subscription> tasks) override;
  std::string Put(const Enqueue& job) override;
  void Dequeue(std::vector<Job>& out, std::size_t n, Duration timeout, const Waker& waker) override;
  void Apply(std::span<const Update> updates, std::span<Applied> answers) override;
  Duration Tick() override;
  std::optional<std::uint64_t> Size(std::string_view task) override;

 private:
  [[nodiscard]] const LeasedFormat& format() const { return *settings_.format; }
  /// Runs `work` with the session; when that is lost in it, it is thrown away.
  template <typename Work>
  auto With(Work&& work) {
    if (session_ == nullptr) throw ConnectionLost(settings_.driver + ": not connected");
    try {
      if (looking_) FinishLook();
      return work(*session_);
    } catch (const ConnectionLost&) {
      session_.reset();
      looking_ = false;
      throw;
    }
  }
  void CheckTables();
  void ReadFunctions();
  /// 0: there is no such function yet.
  std::int64_t FunctionOf(const std::string& task);
  std::int64_t MakeFunction(const std::string& task);

  /// False: there is nothing to be had just now.
  bool StartLook(std::size_t n);
  bool AnyFound(std::span<const Statement> statements);
  /// After a look in vain: the next one comes later and later.
  void Rest();
  struct Chosen {
    std::int64_t id = 0;
    std::string arg;
    Job job;
  };
  [[nodiscard]] std::vector<Chosen> ReadChoice(const std::vector<Rows>& all) const;
  void Grab(std::vector<Chosen> chosen);
  void FinishLook();
  void GiveBackSpare() noexcept;
  /// False: an argument that cannot be told to a worker; it was put back.
  bool Decode(Job& job, const LeasedHold& hold, std::string_view arg);
  /// The plain `done`s in front, in one transaction; returns how many there are.
  std::size_t SettleDones(std::span<const Update> updates, std::span<Applied> answers);
  Applied Settle(const Update& update);
  Applied End(const LeasedHold& hold, const Update& update);

  LeasedSettings settings_;
  std::unique_ptr<Session> session_;
  std::map<std::string, std::int64_t> functions_;
  std::map<std::int64_t, std::string> names_;
  std::vector<std::string> tasks_;
  bool every_task_ = false;
  std::size_t turn_ = 0;  ///< which task is first, so that none starves
  std::uint64_t last_token_ = 0;
  std::unordered_map<std::uint64_t, LeasedHold> held_;
  bool looking_ = false;    ///< a look was sent and is not answered yet
  std::size_t asked_ = 0;   ///< for so many jobs
  std::vector<Job> spare_;  ///< grabbed and not handed out yet
  TimePoint due_;           ///< when to look next
  Duration pause_{0};
};

}  // namespace workmand::sql
