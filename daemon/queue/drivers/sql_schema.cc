#include "daemon/queue/drivers/sql_schema.h"

#include <chrono>
#include <thread>
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
  // A daemon and a producer may come to an empty database in the same moment. Not every server
  // makes all tables in one step: whoever comes second finds some of them, and looks again.
  constexpr int kLooks = 20;
  constexpr std::chrono::milliseconds kBetween{50};
  std::int64_t version = 0;
  for (int look = 1; version == 0; ++look) {
    // Outside of the try: a session that is lost says so in its own words.
    const bool there = HasTables(session, sql, Frame::kWhole);
    try {
      if (!there) MakeTables(session, sql);
      version = session.RunOne({"SELECT max(version) FROM " + sql.Beside("_schema"), {}}).Int(0, 0);
      if (version == 0 && look == kLooks) break;
    } catch (const std::runtime_error& error) {
      if (look == kLooks) {
        throw ConnectionLost(driver + ": the table " + sql.table() +
                             " is missing and cannot be made (" + error.what() +
                             "); run `workman queue init -p PROFILE` once with a url whose user may"
                             " create tables");
      }
    }
    if (version == 0) std::this_thread::sleep_for(kBetween);
  }
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
