// The `url` of a queue on MariaDB or MySQL. Pure.
#pragma once

#include <string_view>

#include "daemon/base/result.h"
#include "daemon/queue/drivers/my_session.h"

namespace workmand::sql {

/// mysql://USER:PASSWORD@HOST:PORT/DB, or mysql://USER:PASSWORD@/DB?socket=PATH. The error never
/// repeats the url.
[[nodiscard]] Result<MyServer> ParseMysqlUrl(std::string_view text);

}  // namespace workmand::sql
