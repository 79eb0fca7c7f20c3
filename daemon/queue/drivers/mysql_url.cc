#include "daemon/queue/drivers/mysql_url.h"

#include <string>

#include "daemon/queue/options.h"

namespace workmand::sql {

Result<MyServer> ParseMysqlUrl(std::string_view text) {
  const auto bad = [] {
    return Fail(ErrorCode::kInvalid, "must be mysql://USER:PASSWORD@HOST:PORT/DB");
  };
  const auto url = ParseQueueUrl(text);
  if (!url) return bad();
  if (url->scheme != "mysql" && url->scheme != "mariadb") return bad();
  if (url->hosts.size() > 1 || url->path.size() < 2) return bad();
  MyServer server;
  server.user = url->user;
  server.password = url->password;
  constexpr std::string_view kSocket = "?socket=";
  const std::size_t query = url->path.find('?');
  server.database = url->path.substr(1, query == std::string::npos ? query : query - 1);
  if (query != std::string::npos) {
    if (url->path.compare(query, kSocket.size(), kSocket) != 0) {
      return Fail(ErrorCode::kInvalid, "may have ?socket=PATH behind the database, and no more");
    }
    server.socket = url->path.substr(query + kSocket.size());
  }
  if (server.database.empty() || server.database.find('/') != std::string::npos) return bad();
  if (url->hosts.empty()) {
    if (server.socket.empty()) return bad();
    return server;
  }
  constexpr std::uint16_t kPort = 3306;
  const auto address = ParseHostPort(url->hosts.front(), kPort);
  if (!address) return tl::unexpected(address.error());
  server.host = address->host;
  server.port = address->port;
  return server;
}

}  // namespace workmand::sql
