#include "daemon/cli/tables.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>

#include "daemon/admin/verbs.h"

namespace workmand::cli {
namespace {

/// Columns on a terminal: UTF-8 characters, not bytes (wide ones count as one).
std::size_t Width(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::string TwoDigits(std::int64_t number) {
  return (number < 10 ? "0" : "") + std::to_string(number);
}

std::vector<std::string> WorkerRow(const WorkerSnapshot& worker) {
  std::vector<std::string> row = {worker.worker, worker.pid == 0 ? "-" : std::to_string(worker.pid),
                                  worker.state, std::to_string(worker.generation.value),
                                  std::to_string(worker.jobs)};
  if (worker.job) {
    const JobSnapshot& job = *worker.job;
    row.insert(row.end(),
               {ShortDuration(job.running), job.task, std::to_string(job.attempt), job.id});
  } else {
    row.insert(row.end(), {"-", "-", "-", "-"});
  }
  return row;
}

std::string QueueText(const QueueSnapshot& queue) {
  std::string out = queue.driver + " " + (queue.up ? "up" : "down");
  if (queue.depth) out += ", " + std::to_string(*queue.depth) + " waiting";
  if (queue.oldest_ms) out += ", the oldest for " + ShortDuration(Duration(*queue.oldest_ms));
  return out + ", " + std::to_string(queue.held) + " held";
}

std::string CountsText(const CountsSnapshot& counts) {
  std::string out = std::to_string(counts.taken) + " taken";
  const auto add = [&](std::uint64_t count, std::string_view what) {
    out += ", " + std::to_string(count) + " " + std::string(what);
  };
  add(counts.done, "done");
  add(counts.fail, "failed");
  add(counts.abort, "aborted");
  add(counts.lost, "lost");
  add(counts.timeout, "timed out");
  add(counts.dead, "dead");
  return out;
}

}  // namespace

std::string RenderTable(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const std::vector<std::string>& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  }
  std::string out;
  for (const std::vector<std::string>& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      out += row[i];
      if (i + 1 < row.size()) out.append(widths[i] - Width(row[i]) + 2, ' ');
    }
    out += '\n';
  }
  return out;
}

std::string RenderWorkerTable(const std::vector<WorkerSnapshot>& workers) {
  std::vector<std::vector<std::string>> rows = {
      {"WORKER", "PID", "STATE", "GEN", "JOBS", "RUNNING", "TASK", "ATTEMPT", "JOB"}};
  for (const WorkerSnapshot& worker : workers) {
    rows.push_back(WorkerRow(worker));
    for (std::string& cell : rows.back()) cell = Printable(cell);
  }
  return RenderTable(rows);
}

std::string RenderStatusText(const Snapshot& snapshot, std::optional<Duration> uptime) {
  std::string daemon = "pid " + std::to_string(snapshot.pid) + ", version " + snapshot.version;
  if (uptime) daemon += ", up for " + ShortDuration(*uptime);
  const std::string head = RenderTable({
      {"profile", Printable(snapshot.profile)},
      {"state", std::string(ToString(snapshot.state))},
      {"generation", std::to_string(snapshot.generation.value)},
      {"daemon", Printable(daemon)},
      {"queue", Printable(QueueText(snapshot.queue))},
      {"jobs", CountsText(snapshot.counts)},
  });
  return head + '\n' + RenderWorkerTable(snapshot.workers);
}

std::string ShortDuration(Duration duration) {
  const std::int64_t ms = std::max<std::int64_t>(duration.count(), 0);
  if (ms < 1'000) return std::to_string(ms) + "ms";
  const std::int64_t seconds = ms / 1'000;
  if (seconds < 10) return std::to_string(seconds) + "." + std::to_string(ms / 100 % 10) + "s";
  if (seconds < 60) return std::to_string(seconds) + "s";
  const std::int64_t minutes = seconds / 60;
  if (minutes < 60) return std::to_string(minutes) + "m" + TwoDigits(seconds % 60) + "s";
  const std::int64_t hours = minutes / 60;
  if (hours < 24) return std::to_string(hours) + "h" + TwoDigits(minutes % 60) + "m";
  return std::to_string(hours / 24) + "d" + TwoDigits(hours % 24) + "h";
}

std::string Printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : '\0');
    if (byte < 0x20 || byte == 0x7F) {
      out += '?';
    } else if (byte == 0xC2 && next >= 0x80 && next < 0xA0) {
      out += '?';
      ++i;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace workmand::cli
