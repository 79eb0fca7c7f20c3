#include "tests/conformance/sql_server.h"

#include <arpa/inet.h>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <netinet/in.h>
#include <pwd.h>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include "tests/conformance/test_server.h"

namespace workmand {
namespace {

constexpr std::chrono::seconds kStartDeadline{60};
constexpr std::chrono::milliseconds kPoll{20};

/// Debian keeps the programs of PostgreSQL out of the way, by version.
std::string PostgresFolder() {
  std::string found;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql", ignored)) {
    const std::string folder = entry.path().string() + "/bin/";
    if (access((folder + "postgres").c_str(), X_OK) == 0 && folder > found) found = folder;
  }
  return found;
}

const passwd* UserOf(SqlServer::Kind kind) {
  return getpwnam(kind == SqlServer::Kind::kPostgres ? "postgres" : "mysql");
}

[[noreturn]] void Become(const passwd* user, const std::string& log,
                         const std::vector<std::string>& command, pid_t parent) {
  const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  const int null = open("/dev/null", O_RDONLY);
  dup2(null, 0);
  dup2(out, 1);
  dup2(out, 2);
  if (user != nullptr && (setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0)) _exit(126);
  // After the change of user, which clears it.
  prctl(PR_SET_PDEATHSIG, SIGQUIT);
  if (getppid() != parent) _exit(1);
  std::vector<char*> words;
  words.reserve(command.size() + 1);
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  execv(words[0], words.data());
  _exit(127);
}

}  // namespace

SqlServer::SqlServer(Kind kind, std::string folder)
    : kind_(kind), folder_(std::move(folder) + "/server"), log_(folder_ + "/log") {
  std::filesystem::create_directory(folder_);
  if (geteuid() != 0) return;
  const passwd* user = UserOf(kind_);
  const std::string above = std::filesystem::path(folder_).parent_path();
  if (user == nullptr || chown(folder_.c_str(), user->pw_uid, user->pw_gid) != 0 ||
      chmod(above.c_str(), 0755) != 0) {
    throw std::runtime_error("there is no user for the server");
  }
}

SqlServer::~SqlServer() {
  Stop();
}

bool SqlServer::Installed(Kind kind) {
  if (geteuid() == 0 && UserOf(kind) == nullptr) return false;
  return kind == Kind::kPostgres ? !PostgresFolder().empty()
                                 : access("/usr/sbin/mariadbd", X_OK) == 0;
}

std::string SqlServer::UrlAt(std::uint16_t port) const {
  const std::string place = "127.0.0.1:" + std::to_string(port);
  return kind_ == Kind::kPostgres ? "postgresql://wm:se%20cret@" + place + "/postgres"
                                  : "mysql://wm:se%20cret@" + place + "/wm";
}

pid_t SqlServer::Run(const Words& command) const {
  const passwd* user = geteuid() == 0 ? UserOf(kind_) : nullptr;
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) throw std::runtime_error("fork failed");
  if (pid == 0) Become(user, log_, command, parent);
  return pid;
}

bool SqlServer::Succeeds(const Words& command) const {
  int status = 0;
  waitpid(Run(command), &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void SqlServer::MakeData() const {
  const std::string data = folder_ + "/data";
  if (kind_ == Kind::kPostgres) {
    if (Succeeds({PostgresFolder() + "initdb", "-D", data, "-A", "trust", "-U", "wm", "--no-sync",
                  "--locale=C", "-E", "UTF8"})) {
      return;
    }
  } else {
    std::ofstream(folder_ + "/init.sql")
        << "CREATE DATABASE IF NOT EXISTS wm;\n"
           "CREATE USER IF NOT EXISTS wm@'127.0.0.1' IDENTIFIED BY 'se cret';\n"
           "GRANT ALL ON wm.* TO wm@'127.0.0.1';\n";
    if (Succeeds({"/usr/bin/mariadb-install-db", "--no-defaults", "--datadir=" + data,
                  "--auth-root-authentication-method=normal", "--skip-test-db"})) {
      return;
    }
  }
  throw std::runtime_error("the server's data cannot be made, see " + log_);
}

void SqlServer::Spawn() {
  const std::string port = std::to_string(port_);
  const std::string data = folder_ + "/data";
  if (kind_ == Kind::kPostgres) {
    pid_ = Run({PostgresFolder() + "postgres", "-D", data, "-p", port, "-c",
                "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="});
    return;
  }
  pid_ = Run({"/usr/sbin/mariadbd", "--no-defaults", "--datadir=" + data, "--port=" + port,
              "--bind-address=127.0.0.1", "--skip-name-resolve", "--socket=" + folder_ + "/socket",
              "--pid-file=" + folder_ + "/pid", "--init-file=" + folder_ + "/init.sql",
              "--max-connections=600"});
}

SqlServer::Words SqlServer::Client(const std::string& sql) const {
  const std::string port = std::to_string(port_);
  if (kind_ == Kind::kPostgres) {
    return {PostgresFolder() + "psql",
            "-X",
            "-q",
            "-h",
            "127.0.0.1",
            "-p",
            port,
            "-U",
            "wm",
            "-d",
            "postgres",
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            sql};
  }
  return {"/usr/bin/mariadb",
          "--no-defaults",
          "-h",
          "127.0.0.1",
          "-P",
          port,
          "-uwm",
          "-pse cret",
          "wm",
          "-e",
          sql};
}

void SqlServer::RunSql(const std::string& sql) const {
  if (!Succeeds(Client(sql))) throw std::runtime_error("statements failed, see " + log_);
}

void SqlServer::Start() {
  const bool first = port_ == 0;
  if (first) MakeData();
  for (int attempt = 0; attempt < 5; ++attempt) {
    if (first) port_ = FreePort();
    Spawn();
    const auto deadline = std::chrono::steady_clock::now() + kStartDeadline;
    while (std::chrono::steady_clock::now() < deadline && !HasEnded()) {
      if (Succeeds(Client("SELECT 1"))) return;
      std::this_thread::sleep_for(kPoll);
    }
    Stop();
  }
  throw std::runtime_error("the server does not start, see " + log_);
}

bool SqlServer::HasEnded() {
  if (pid_ == 0) return true;
  if (waitpid(pid_, nullptr, WNOHANG) == 0) return false;
  pid_ = 0;
  return true;
}

void SqlServer::Stop() {
  if (pid_ == 0) return;
  Thaw();
  // PostgreSQL's word for "end at once": SIGKILL would leave its children behind.
  kill(pid_, kind_ == Kind::kPostgres ? SIGQUIT : SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

/// PostgreSQL has a child for each connection.
std::vector<pid_t> SqlServer::Processes() const {
  std::vector<pid_t> all = {pid_};
  const std::string pid = std::to_string(pid_);
  std::ifstream children("/proc/" + pid + "/task/" + pid + "/children");
  for (pid_t child = 0; children >> child;) all.push_back(child);
  return all;
}

void SqlServer::Freeze() const {
  for (const pid_t pid : Processes()) FreezeProcess(pid);
}

void SqlServer::Thaw() const {
  for (const pid_t pid : Processes()) kill(pid, SIGCONT);
}

}  // namespace workmand
