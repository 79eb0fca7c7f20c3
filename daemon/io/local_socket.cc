#include "daemon/io/local_socket.h"

#include <array>
#include <sys/stat.h>
#include <unordered_map>
#include <utility>
#include <vector>

#include "daemon/io/pipes.h"
#include "daemon/io/socket_place.h"

namespace workmand::io {
namespace {

constexpr int kBacklog = 128;
constexpr mode_t kSocketMode = 0600;

/// A write that the socket did not take at once. It owns its bytes, since the connection may be
/// gone before it completes.
struct WriteRequest {
  uv_write_t request{};
  std::string bytes;
};

}  // namespace

/// Every callback of libuv holds a reference for its duration, so that the owner may destroy the
/// server in any event. on_closed always comes from a timer, so that no call to the server
/// re-enters its caller.
struct LineServer::Impl : std::enable_shared_from_this<LineServer::Impl> {
  struct Connection {
    Connection(Impl& the_server, ConnectionId the_id) : server(the_server), id(the_id) {}
    [[nodiscard]] uv_stream_t* stream() const { return reinterpret_cast<uv_stream_t*>(pipe.get()); }

    Impl& server;
    ConnectionId id;
    UvHandle<uv_pipe_t> pipe;
    std::string partial;          ///< of a line whose end was not read yet
    std::int64_t unanswered = 0;  ///< lines that came, less lines sent
    bool sends_no_more = false;
    bool closing = false;  ///< as soon as all is written
  };

  Impl(Loop& the_loop, std::size_t the_max_line, Events the_events)
      : loop(the_loop),
        max_line(the_max_line),
        events(std::move(the_events)),
        announce(loop, [this] { AnnounceClosed(); }) {}

  Result<void> Listen(const std::string& path);
  void Abandon();
  void Accept();
  void OnBytes(Connection& connection, std::string_view chunk);
  bool OnLineEnd(Connection& connection, std::string_view rest);
  void OnSendingEnd(Connection& connection);
  bool Write(Connection& connection, std::string_view line);
  void CloseWhenWritten(Connection& connection);
  void Drop(Connection& connection);
  void AnnounceClosed();

  static void Allocate(uv_handle_t* handle, std::size_t size, uv_buf_t* buffer) noexcept;
  static void OnRead(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) noexcept;
  static void OnWritten(uv_write_t* request, int status) noexcept;

  Loop& loop;
  std::size_t max_line;
  Events events;
  std::optional<SocketPlace> place;
  UvHandle<uv_pipe_t> listener;  ///< its close removes the socket, while `place` is still locked
  std::unordered_map<ConnectionId, std::unique_ptr<Connection>> connections;
  ConnectionId last_id = 0;
  std::vector<ConnectionId> closed;  ///< still to be announced
  Timer announce;
  bool abandoned = false;
};

Result<void> LineServer::Impl::Listen(const std::string& path) {
  auto claimed = SocketPlace::Claim(path);
  if (!claimed) return tl::unexpected(claimed.error());
  place.emplace(std::move(*claimed));
  uv_pipe_init(loop.get(), listener.get(), 0);
  listener.get()->data = this;
  int error = uv_pipe_bind(listener.get(), path.c_str());
  // Nobody can connect before it listens, so the mode is right from the first connection on.
  if (error == 0 && ::chmod(path.c_str(), kSocketMode) != 0) error = uv_translate_sys_error(errno);
  if (error == 0) {
    error = uv_listen(reinterpret_cast<uv_stream_t*>(listener.get()), kBacklog,
                      [](uv_stream_t* stream, int status) noexcept {
                        if (status == 0 && stream->data != nullptr) {
                          static_cast<Impl*>(stream->data)->Accept();
                        }
                      });
  }
  if (error == 0) return {};
  return Fail(ErrorCode::kSystem, "cannot listen on " + path + ": " + uv_strerror(error));
}

void LineServer::Impl::Abandon() {
  abandoned = true;
  announce.Stop();
  connections.clear();
  listener.Reset();
  place.reset();
}

void LineServer::Impl::Accept() {
  auto connection = std::make_unique<Connection>(*this, last_id + 1);
  uv_pipe_init(loop.get(), connection->pipe.get(), 0);
  if (uv_accept(reinterpret_cast<uv_stream_t*>(listener.get()), connection->stream()) != 0) return;
  if (uv_read_start(connection->stream(), &Allocate, &OnRead) != 0) return;
  connection->pipe.get()->data = connection.get();
  connections.emplace(++last_id, std::move(connection));
}

void LineServer::Impl::Allocate(uv_handle_t* handle, std::size_t /*size*/,
                                uv_buf_t* buffer) noexcept {
  const auto shared = static_cast<Connection*>(handle->data)->server.loop.read_buffer();
  *buffer = uv_buf_init(shared.data(), static_cast<unsigned>(shared.size()));
}

void LineServer::Impl::OnRead(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) noexcept {
  if (stream->data == nullptr || size == 0) return;
  auto& connection = *static_cast<Connection*>(stream->data);
  const auto self = connection.server.weak_from_this().lock();
  if (size > 0) {
    self->OnBytes(connection, {buffer->base, static_cast<std::size_t>(size)});
  } else if (size == UV_EOF) {
    self->OnSendingEnd(connection);
  } else {
    self->Drop(connection);
  }
}

void LineServer::Impl::OnBytes(Connection& connection, std::string_view chunk) {
  for (std::size_t lf = 0; (lf = chunk.find('\n')) != std::string_view::npos;) {
    if (!OnLineEnd(connection, chunk.substr(0, lf))) return;
    chunk.remove_prefix(lf + 1);
  }
  connection.partial.append(chunk);
  if (connection.partial.size() > max_line) Drop(connection);
}

/// Delivers one line; false when the connection, or the whole server, is gone or going after it.
bool LineServer::Impl::OnLineEnd(Connection& connection, std::string_view rest) {
  if (connection.partial.size() + rest.size() > max_line) {
    Drop(connection);
    return false;
  }
  const uv_pipe_t* handle = connection.pipe.get();  // outlives the connection until the turn ends
  ++connection.unanswered;
  if (connection.partial.empty()) {
    events.on_line(connection.id, rest);
  } else {
    std::string line = std::exchange(connection.partial, {});
    line.append(rest);
    events.on_line(connection.id, line);
  }
  return handle->data != nullptr && !connection.closing;
}

void LineServer::Impl::OnSendingEnd(Connection& connection) {
  connection.sends_no_more = true;
  uv_os_fd_t fd = -1;
  const auto* handle = reinterpret_cast<const uv_handle_t*>(connection.pipe.get());
  if (uv_fileno(handle, &fd) != 0 || IsHungUp(fd)) {
    Drop(connection);
  } else if (connection.unanswered <= 0) {
    CloseWhenWritten(connection);
  }
}

/// False when the connection had to be dropped.
bool LineServer::Impl::Write(Connection& connection, std::string_view line) {
  char lf = '\n';
  // libuv does not write to its buffers; its type serves reads as well.
  const std::array<uv_buf_t, 2> buffers{
      uv_buf_init(const_cast<char*>(line.data()), static_cast<unsigned>(line.size())),
      uv_buf_init(&lf, 1)};
  const int taken = uv_try_write(connection.stream(), buffers.data(), buffers.size());
  if (taken < 0 && taken != UV_EAGAIN) {
    Drop(connection);
    return false;
  }
  const auto done = static_cast<std::size_t>(taken < 0 ? 0 : taken);
  if (done == line.size() + 1) return true;
  auto request = std::make_unique<WriteRequest>();
  request->bytes.reserve(line.size() + 1 - done);
  if (done < line.size()) request->bytes.append(line.substr(done));
  request->bytes += lf;
  const uv_buf_t rest =
      uv_buf_init(request->bytes.data(), static_cast<unsigned>(request->bytes.size()));
  request->request.data = request.get();
  if (uv_write(&request->request, connection.stream(), &rest, 1, &OnWritten) != 0) {
    Drop(connection);
    return false;
  }
  static_cast<void>(request.release());  // OnWritten deletes it
  if (uv_stream_get_write_queue_size(connection.stream()) <= kMaxPending) return true;
  Drop(connection);
  return false;
}

void LineServer::Impl::OnWritten(uv_write_t* request, int status) noexcept {
  const std::unique_ptr<WriteRequest> owned(static_cast<WriteRequest*>(request->data));
  if (request->handle->data == nullptr) return;
  auto& connection = *static_cast<Connection*>(request->handle->data);
  if (status != 0) {
    connection.server.Drop(connection);
  } else if (connection.closing) {
    connection.server.CloseWhenWritten(connection);
  }
}

void LineServer::Impl::CloseWhenWritten(Connection& connection) {
  connection.closing = true;
  uv_read_stop(connection.stream());
  if (uv_stream_get_write_queue_size(connection.stream()) == 0) Drop(connection);
}

void LineServer::Impl::Drop(Connection& connection) {
  closed.push_back(connection.id);
  announce.Set(loop.Now());
  connections.erase(connection.id);
}

void LineServer::Impl::AnnounceClosed() {
  const auto self = weak_from_this().lock();
  const auto ids = std::exchange(closed, {});
  for (const ConnectionId id : ids) {
    if (abandoned) return;
    if (events.on_closed) events.on_closed(id);
  }
}

Result<std::unique_ptr<LineServer>> LineServer::Listen(Loop& loop, const std::string& path,
                                                       std::size_t max_line, Events events) {
  std::unique_ptr<LineServer> server(
      new LineServer(std::make_shared<Impl>(loop, max_line, std::move(events))));
  if (auto listening = server->impl_->Listen(path); !listening) {
    return tl::unexpected(listening.error());
  }
  return server;
}

LineServer::LineServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

LineServer::~LineServer() {
  impl_->Abandon();
}

bool LineServer::Send(ConnectionId connection, std::string_view line) {
  const auto found = impl_->connections.find(connection);
  if (found == impl_->connections.end() || found->second->closing) return false;
  Impl::Connection& target = *found->second;
  --target.unanswered;
  if (!impl_->Write(target, line)) return false;
  if (target.sends_no_more && target.unanswered <= 0) impl_->CloseWhenWritten(target);
  return true;
}

void LineServer::Close(ConnectionId connection) {
  const auto found = impl_->connections.find(connection);
  if (found != impl_->connections.end()) impl_->CloseWhenWritten(*found->second);
}

}  // namespace workmand::io
