#include "daemon/queue/drivers/sqlite_leases.h"

#include <vector>

namespace workmand::sqlite {
namespace {

constexpr const char* kAddHolder =
    "INSERT INTO holders(host, boot_id, pid_namespace, pid, start_time, since)"
    " VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
constexpr const char* kFindHolder =
    "SELECT id FROM holders WHERE host = ?1 AND boot_id = ?2 AND pid_namespace = ?3 AND pid = ?4"
    " AND start_time = ?5";
constexpr const char* kHoldersOfHost =
    "SELECT id, boot_id, pid_namespace, pid, start_time FROM holders WHERE host = ?1";
constexpr const char* kFreeHeldBy =
    "UPDATE jobs SET state = 0 WHERE id IN (SELECT id FROM held WHERE holder = ?1)";
constexpr const char* kForgetHeldBy = "DELETE FROM held WHERE holder = ?1";
constexpr const char* kForgetHolder = "DELETE FROM holders WHERE id = ?1";
constexpr const char* kFreeExpired =
    "UPDATE jobs SET state = 0 WHERE id IN (SELECT id FROM held WHERE lease_until <= ?1)";
constexpr const char* kForgetExpired = "DELETE FROM held WHERE lease_until <= ?1";
constexpr const char* kForgetStrangers =
    "DELETE FROM holders WHERE (host <> ?1 OR pid_namespace <> ?2) AND since < ?3"
    " AND id NOT IN (SELECT holder FROM held)";

std::vector<std::int64_t> DeadHolders(Database& db, const Process& here) {
  std::vector<std::int64_t> dead;
  Query query(db, kHoldersOfHost, here.host);
  while (query.Next()) {
    const Process process{here.host, std::string(query.Bytes(1)), query.Int(2), query.Int(3),
                          query.Int(4)};
    if (IsDead(process, here)) dead.push_back(query.Int(0));
  }
  return dead;
}

}  // namespace

std::int64_t RegisterHolder(Database& db, const Process& process, WallTime now) {
  db.Run(kAddHolder, process.host, process.boot_id, process.pid_namespace, process.pid,
         process.start_time, now);
  Query query(db, kFindHolder, process.host, process.boot_id, process.pid_namespace, process.pid,
              process.start_time);
  return query.Next() ? query.Int(0) : 0;
}

std::int64_t FreeDeadHolders(Database& db, const Process& here) {
  const std::vector<std::int64_t> dead = DeadHolders(db, here);
  if (dead.empty()) return 0;
  Transaction transaction(db, Transaction::Lock::kWrite, Transaction::Sync::kRelaxed);
  std::int64_t freed = 0;
  for (const std::int64_t holder : dead) {
    freed += db.Run(kFreeHeldBy, holder);
    db.Run(kForgetHeldBy, holder);
    db.Run(kForgetHolder, holder);
  }
  transaction.Commit();
  return freed;
}

std::int64_t FreeExpired(Database& db, WallTime now) {
  const std::int64_t freed = db.Run(kFreeExpired, now);
  if (freed > 0) db.Run(kForgetExpired, now);
  return freed;
}

void SweepHolders(Database& db, const Process& here, WallTime now) {
  FreeDeadHolders(db, here);
  db.Run(kForgetStrangers, here.host, here.pid_namespace, now - std::chrono::hours(24));
}

}  // namespace workmand::sqlite
