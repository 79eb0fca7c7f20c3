// The driver `theschwartz`: the tables of Perl's TheSchwartz, shared with its own clients and
// workers. The work is done by LeasedQueue. docs/queues/theschwartz.md says what it promises.
#include <algorithm>
#include <string>
#include <utility>

#include "daemon/queue/driver_module.h"
#include "daemon/queue/drivers/leased_open.h"

namespace workmand {
namespace {

class Theschwartz final : public sql::LeasedFormat {
 public:
  // The column is unsigned on MariaDB. Jobs of Perl clients mostly have none, which is "normal".
  static constexpr std::int64_t kLow = 1;
  static constexpr std::int64_t kNormal = 5;
  static constexpr std::int64_t kHigh = 10;

  [[nodiscard]] sql::Value PriorityOf(Priority priority) const override {
    switch (priority) {
      case Priority::kLow: return kLow;
      case Priority::kNormal: break;
      case Priority::kHigh: return kHigh;
    }
    return std::monostate{};
  }
  [[nodiscard]] Priority PriorityFrom(const sql::Rows& rows, std::size_t row,
                                      std::size_t column) const override {
    if (rows.IsNull(row, column) || rows.Int(row, column) == kNormal) return Priority::kNormal;
    return rows.Int(row, column) < kNormal ? Priority::kLow : Priority::kHigh;
  }
  [[nodiscard]] std::string Order() const override { return "COALESCE(priority, 5) DESC"; }

  void Failed(const sql::LeasedHold& hold, std::string_view message, bool last,
              std::vector<sql::Statement>& out) const override {
    // As wide as the column is on MariaDB.
    constexpr std::size_t kLongest = 255;
    std::string text(message.substr(0, kLongest));
    // Not in the middle of a character.
    while (text.size() < message.size() && !text.empty() &&
           (static_cast<unsigned char>(message[text.size()]) & 0xC0U) == 0x80U) {
      text.pop_back();
    }
    const bool postgres = dialect.engine == sql::Engine::kPostgres;
    sql::Statement error{"INSERT INTO error(error_time, jobid, message, funcid) SELECT " +
                             dialect.Now() + ", jobid, " + (postgres ? "?::text" : "?") +
                             ", funcid FROM job",
                         {std::move(text)}};
    error.sql += ForHold(error, hold);
    out.push_back(std::move(error));
    if (!last) return;
    // Perl workers keep it for as long as the class says; a week is what they keep errors for.
    sql::Statement status{
        "INSERT INTO exitstatus(jobid, funcid, status, completion_time, delete_after) SELECT"
        " jobid, funcid, 1, " +
            dialect.Now() + ", " + dialect.Now() + " + 604800 FROM job",
        {}};
    status.sql += ForHold(status, hold);
    out.push_back(std::move(status));
  }
};

Caps TheschwartzCaps() {
  Caps caps;
  caps.bits = Cap::kPriority | Cap::kUnique | Cap::kDelay | Cap::kRetryDelay | Cap::kAbortDelay |
              Cap::kHoldSurvives | Cap::kLease | Cap::kDurable | Cap::kOrdered | Cap::kCount |
              Cap::kConfirmedAck | Cap::kAtLeastOnce | Cap::kUncountedAbort;
  caps.time_step = Duration{1'000};
  return caps;
}

std::vector<QueueKeyError> CheckTheschwartzOptions(const QueueOptions& options) {
  return sql::CheckLeasedOptions(options);
}

Result<std::unique_ptr<Queue>> OpenTheschwartz(const DriverConfig& config, Role /*role*/) {
  return sql::OpenLeased(config, TheschwartzCaps(), std::make_unique<Theschwartz>());
}

}  // namespace
}  // namespace workmand

WORKMAN_QUEUE_DRIVER("theschwartz", workmand::TheschwartzCaps, workmand::CheckTheschwartzOptions,
                     workmand::OpenTheschwartz)
