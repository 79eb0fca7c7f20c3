// What `workman status` and `workman workers` print for people. Pure: a snapshot in, text out.
// Names that come from queues and workers never reach the terminal as control characters.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/admin/snapshot.h"
#include "daemon/base/time.h"

namespace workmand::cli {

/// Columns as wide as their widest cell, two spaces apart; the last one is not padded.
std::string RenderTable(const std::vector<std::vector<std::string>>& rows);
/// The workers, one a line, below a line of headings.
std::string RenderWorkerTable(const std::vector<WorkerSnapshot>& workers);
/// The whole status; `uptime` is left out where it is not known.
std::string RenderStatusText(const Snapshot& snapshot, std::optional<Duration> uptime);

/// "850ms", "1.2s", "42s", "3m12s", "5h07m", "2d03h": short and in two units at most.
std::string ShortDuration(Duration duration);
/// `text` with '?' for each control character (C0, DEL and C1).
std::string Printable(std::string_view text);

}  // namespace workmand::cli
