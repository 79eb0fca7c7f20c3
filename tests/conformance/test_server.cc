#include "tests/conformance/test_server.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <netinet/in.h>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include "daemon/queue/conformance/loopback.h"

namespace workmand {
namespace {

using conformance::Loopback;

constexpr std::chrono::milliseconds kPoll{10};

}  // namespace

std::uint16_t FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  const bool bound = bind(fd, generic, size) == 0 && getsockname(fd, generic, &size) == 0;
  close(fd);
  if (!bound) throw std::runtime_error("no free loopback port");
  return ntohs(address.sin_port);
}

ServerProgram GearmandProgram() {
  return {"/usr/sbin/gearmand",
          {"--listen=127.0.0.1", "--port={port}", "--log-file={folder}/gearmand.log",
           "--verbose=ERROR"},
          "version\n",
          "OK"};
}

ServerProgram RedisProgram() {
  return {"/usr/bin/redis-server",
          {"--bind", "127.0.0.1", "--port", "{port}", "--dir", "{folder}", "--save", "",
           "--appendonly", "yes"},
          "PING\r\n",
          "+PONG"};
}

ServerProgram RabbitProgram() {
  ServerProgram program;
  program.path = "/usr/lib/rabbitmq/bin/rabbitmq-server";
  program.question = std::string("AMQP\0\0\x09\x01", 8);
  program.answer = "\x01";  // a frame with a method
  program.environment = {
      // So the script becomes the server, and its pid is the server's.
      "RUNNING_UNDER_SYSTEMD=1",
      "HOME={folder}",
      "ERL_CRASH_DUMP={folder}/erl_crash.dump",
      "RABBITMQ_NODENAME=contract{port}@localhost",
      "RABBITMQ_NODE_IP_ADDRESS=127.0.0.1",
      "RABBITMQ_NODE_PORT={port}",
      "RABBITMQ_DIST_PORT={port2}",
      "RABBITMQ_MNESIA_BASE={folder}/mnesia",
      "RABBITMQ_LOG_BASE={folder}/log",
      "RABBITMQ_PID_FILE={folder}/rabbit.pid",
      "RABBITMQ_ENABLED_PLUGINS_FILE={folder}/plugins",
      "ERL_CRASH_DUMP={folder}/crash.dump",
      "ERL_EPMD_ADDRESS=127.0.0.1",
      "ERL_EPMD_PORT={port3}",
  };
  // Without one the server starts a daemon, which would outlive the test.
  program.companion = {"/usr/bin/epmd", "-address", "127.0.0.1", "-port", "{port3}"};
  program.patience = std::chrono::seconds(90);
  return program;
}

ServerProgram BeanstalkdProgram() {
  return {"/usr/bin/beanstalkd",
          {"-l", "127.0.0.1", "-p", "{port}", "-b", "{folder}", "-z", "8388608"},
          "list-tube-used\r\n",
          "USING"};
}

ServerProgram NatsProgram() {
  return {"/usr/sbin/nats-server",
          {"-a", "127.0.0.1", "-p", "{port}", "-js", "-sd", "{folder}"},
          "PING\r\n",
          "INFO"};
}

ServerProgram KafkaProgram(const std::string& path) {
  return {path, {"{port}"}, "where\n", "127.0.0.1:"};
}

void FreezeProcess(pid_t pid) {
  const auto stopped = [pid] {
    const std::filesystem::directory_iterator threads("/proc/" + std::to_string(pid) + "/task");
    return std::all_of(begin(threads), end(threads), [](const auto& thread) {
      // "PID (NAME) STATE ..."; a name may hold anything, a parenthesis too.
      std::string line;
      std::getline(std::ifstream(thread.path() / "stat"), line);
      const std::size_t name_ends = line.rfind(')');
      return name_ends == std::string::npos || line.substr(name_ends, 3) == ") T";
    });
  };
  kill(pid, SIGSTOP);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (!stopped()) {
    if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("it does not stop");
    std::this_thread::sleep_for(kPoll);
  }
}

TestServer::TestServer(ServerProgram program, std::string folder)
    : program_(std::move(program)), folder_(std::move(folder)), log_(folder_ + "/server.log") {}

TestServer::~TestServer() {
  Stop();
  if (companion_pid_ == 0) return;
  kill(companion_pid_, SIGKILL);
  waitpid(companion_pid_, nullptr, 0);
}

bool TestServer::Installed() const {
  return access(program_.path.c_str(), X_OK) == 0;
}

std::string TestServer::address() const {
  return "127.0.0.1:" + std::to_string(port_);
}

void TestServer::Start() {
  const bool first = port_ == 0;
  if (first && !program_.companion.empty()) {
    for (std::uint16_t& port : more_ports_) port = FreePort();
    companion_pid_ = Spawn(program_.companion);
  }
  std::vector<std::string> command = {program_.path};
  command.insert(command.end(), program_.arguments.begin(), program_.arguments.end());
  for (int attempt = 0; attempt < 5; ++attempt) {
    if (first) port_ = FreePort();
    pid_ = Spawn(command);
    const auto deadline = std::chrono::steady_clock::now() + program_.patience;
    while (std::chrono::steady_clock::now() < deadline && !HasEnded()) {
      if (Answers()) return;
      std::this_thread::sleep_for(kPoll);
    }
    Stop();
  }
  throw std::runtime_error(program_.path + " does not start, see " + log_);
}

std::string TestServer::Expanded(std::string text) const {
  for (const auto& [name, value] :
       {std::pair<std::string, std::string>("{port}", std::to_string(port_)),
        std::pair<std::string, std::string>("{port2}", std::to_string(more_ports_[0])),
        std::pair<std::string, std::string>("{port3}", std::to_string(more_ports_[1])),
        std::pair<std::string, std::string>("{folder}", folder_)}) {
    const std::size_t at = text.find(name);
    if (at != std::string::npos) text.replace(at, name.size(), value);
  }
  return text;
}

pid_t TestServer::Spawn(const std::vector<std::string>& command) const {
  std::vector<std::string> words;
  words.reserve(command.size());
  for (const std::string& word : command) words.push_back(Expanded(word));
  std::vector<std::string> settings;
  settings.reserve(program_.environment.size());
  for (const std::string& setting : program_.environment) settings.push_back(Expanded(setting));
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const int log = open(log_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) throw std::runtime_error("fork failed");
  if (pid > 0) {
    close(log);
    return pid;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  for (std::string& setting : settings) putenv(setting.data());
  execv(words.front().c_str(), argv.data());
  _exit(127);
}

std::string TestServer::Ask(const std::string& question) const {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(port_);
  const bool connected = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  std::array<char, 64> answer{};
  ssize_t size = 0;
  if (connected && send(fd, question.data(), question.size(), MSG_NOSIGNAL) > 0) {
    size = recv(fd, answer.data(), answer.size(), 0);
  }
  close(fd);
  return {answer.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

bool TestServer::Answers() const {
  const std::string answer = Ask(program_.question);
  return !answer.empty() && answer.starts_with(program_.answer);
}

bool TestServer::HasEnded() {
  if (pid_ == 0) return true;
  if (waitpid(pid_, nullptr, WNOHANG) == 0) return false;
  pid_ = 0;
  return true;
}

void TestServer::Stop() {
  if (pid_ == 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

void TestServer::Freeze() const {
  FreezeProcess(pid_);
}

void TestServer::Thaw() const {
  kill(pid_, SIGCONT);
}

}  // namespace workmand
