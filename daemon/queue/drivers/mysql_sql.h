// What MariaDB and MySQL say differently about the tables of the SQL drivers. See sql_jobs.h.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/queue/drivers/sql_jobs.h"

namespace workmand::sql {

class MysqlSql final : public JobSql {
 public:
  using JobSql::JobSql;

  [[nodiscard]] std::string Now() const override;
  [[nodiscard]] Statement Insert(const Enqueue& job, int waiters) const override;
  [[nodiscard]] std::string_view ReturningId() const override { return ""; }
  [[nodiscard]] std::int64_t InsertedId(const Rows& rows) const override { return rows.last_id; }
  void OnHeld(Statement verb, std::span<const std::int64_t> tokens,
              std::vector<Statement>& out) const override;
  [[nodiscard]] Statement Fetch(const FetchPlan& plan) const override;
  [[nodiscard]] std::optional<Statement> HoldChosen(
      const FetchPlan& plan, std::span<const std::int64_t> ids) const override;
  [[nodiscard]] Statement FallDue() const override;
  [[nodiscard]] Statement ListTasks() const override;
  [[nodiscard]] std::optional<Statement> Notify(std::string_view /*channel*/,
                                                std::string_view /*text*/) const override {
    return std::nullopt;
  }
  void AddAmong(Statement& statement, std::string_view column,
                std::span<const std::int64_t> numbers, bool none) const override;
  void AddAmong(Statement& statement, std::string_view column,
                std::span<const std::string> texts) const override;
  [[nodiscard]] std::optional<Statement> Relax() const override { return std::nullopt; }
  [[nodiscard]] Statement HasSchema() const override;
  [[nodiscard]] std::vector<std::string> Schema() const override;
  [[nodiscard]] std::string LockSchema() const override;
  [[nodiscard]] std::string UnlockSchema() const override;
};

}  // namespace workmand::sql
