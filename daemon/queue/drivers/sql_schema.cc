#include "daemon/queue/drivers/sql_schema.h"

#include <vector>

namespace workmand::sql {
namespace {

bool HasTables(Session& session, const JobSql& sql, Frame frame) {
  return session.RunOne(sql.HasSchema(), frame).Int(0, 0) != 0;
}

void MakeTables(Session& session, const JobSql& sql) {
  session.Execute(sql.LockSchema());
  if (!HasTables(session, sql, Frame::kInside)) {
    for (const std::string& script : sql.Schema()) session.Execute(script);
  }
  session.Execute(sql.UnlockSchema());
}

}  // namespace

void EnsureTables(Session& session, const JobSql& sql, const std::string& driver) {
  if (!HasTables(session, sql, Frame::kWhole)) {
    try {
      MakeTables(session, sql);
    } catch (const std::runtime_error& error) {
      // Another one may have made them in the same moment.
      if (HasTables(session, sql, Frame::kWhole)) return EnsureTables(session, sql, driver);
      throw ConnectionLost(driver + ": the table " + sql.table() +
                           " is missing and cannot be made (" + error.what() +
                           "); run `workman queue init -p PROFILE` once with a url whose user may"
                           " create tables");
    }
  }
  const Rows found = session.RunOne({"SELECT max(version) FROM " + sql.Beside("_schema"), {}});
  const std::int64_t version = found.Int(0, 0);
  if (version == kJobSchemaVersion) return;
  if (version > kJobSchemaVersion) {
    throw ConnectionLost(driver + ": the table " + sql.table() + " has schema version " +
                         std::to_string(version) + ", this program knows versions up to " +
                         std::to_string(kJobSchemaVersion) + "; use the newer workman");
  }
  // Steps from version to version will stand here; there has been only one.
  throw ConnectionLost(driver + ": the table " + sql.Beside("_schema") +
                       " names no version; was it emptied? It must hold one row with 1");
}

std::int64_t FreeDeadHolders(Session& session, const JobSql& sql) {
  const Process here = ThisProcess();
  const Rows holders = session.RunOne(sql.HoldersOf(here.host));
  std::vector<std::int64_t> dead;
  for (std::size_t row = 0; row < holders.size(); ++row) {
    const Process process{here.host, std::string(holders.Bytes(row, 1)), holders.Int(row, 2),
                          holders.Int(row, 3), holders.Int(row, 4)};
    if (IsDead(process, here)) dead.push_back(holders.Int(row, 0));
  }
  if (dead.empty()) return 0;
  std::vector<Statement> statements;
  sql.FreeHolders(dead, statements);
  if (auto notify = sql.Notify(sql.stem(), "")) statements.push_back(std::move(*notify));
  return Retrying([&] { return session.Run(statements).front().changed; });
}

std::int64_t RegisterHolder(Session& session, const JobSql& sql, std::int64_t holder) {
  if (holder != 0 && session.RunOne(sql.TouchHolder(holder)).changed > 0) return holder;
  return sql.InsertedId(session.RunOne(sql.AddHolder(ThisProcess())));
}

}  // namespace workmand::sql
