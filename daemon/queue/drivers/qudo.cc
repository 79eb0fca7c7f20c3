// The driver `qudo`: the tables of Perl's Qudo, shared with its own clients and workers. The work
// is done by LeasedQueue. docs/queues/qudo.md says what it promises.
#include <string>
#include <utility>

#include "daemon/queue/driver_module.h"
#include "daemon/queue/drivers/leased_open.h"

namespace workmand {
namespace {

class Qudo final : public sql::LeasedFormat {
 public:
  Qudo() {
    functions = "func";
    function_id = "id";
    function_name = "name";
    job_id = "id";
    job_function = "func_id";
    put_time = "enqueue_time";
    failures = "retry_cnt";
  }

  // Its clients put 0 and mean the usual; nothing goes below that.
  [[nodiscard]] sql::Value PriorityOf(Priority /*priority*/) const override {
    return std::int64_t{0};
  }
  [[nodiscard]] Priority PriorityFrom(const sql::Rows& rows, std::size_t row,
                                      std::size_t column) const override {
    return rows.Int(row, column) > 0 ? Priority::kHigh : Priority::kNormal;
  }
  [[nodiscard]] std::string Order() const override { return "priority DESC"; }

  void Failed(const sql::LeasedHold& hold, std::string_view message, bool last,
              std::vector<sql::Statement>& out) const override {
    sql::Statement log{
        "INSERT INTO exception_log(func_id, exception_time, message, uniqkey, arg, retried) SELECT"
        " func_id, " +
            dialect.Now() + ", " + dialect.Bytes() + ", uniqkey, arg, " + (last ? "0" : "1") +
            " FROM job",
        {sql::Blob{message}}};
    log.sql += ForHold(log, hold);
    out.push_back(std::move(log));
  }
  [[nodiscard]] std::string CountFailure() const override { return ", retry_cnt = retry_cnt + 1"; }
  [[nodiscard]] std::string MoreColumns() const override { return ", retry_cnt"; }
  [[nodiscard]] std::string MoreValues() const override { return ", 0"; }
};

Caps QudoCaps() {
  Caps caps;
  caps.bits = Cap::kUnique | Cap::kDelay | Cap::kRetryDelay | Cap::kAbortDelay |
              Cap::kHoldSurvives | Cap::kLease | Cap::kDurable | Cap::kOrdered | Cap::kCount |
              Cap::kConfirmedAck | Cap::kAtLeastOnce | Cap::kUncountedAbort;
  caps.time_step = Duration{1'000};
  return caps;
}

std::vector<QueueKeyError> CheckQudoOptions(const QueueOptions& options) {
  return sql::CheckLeasedOptions(options);
}

Result<std::unique_ptr<Queue>> OpenQudo(const DriverConfig& config, Role /*role*/) {
  return sql::OpenLeased(config, QudoCaps(), std::make_unique<Qudo>());
}

}  // namespace
}  // namespace workmand

WORKMAN_QUEUE_DRIVER("qudo", workmand::QudoCaps, workmand::CheckQudoOptions, workmand::OpenQudo)
