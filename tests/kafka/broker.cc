// kafka_broker PORT [PARTITIONS]: stands in for a Kafka server in tests, which Debian does not
// have: librdkafka's mock cluster (rdkafka_mock.h), which speaks Kafka's protocol and keeps topics
// in memory, with consumer groups as Kafka keeps them (coordinator.h). A line on a connection to
// PORT is a command, and each is answered with a line:
//
//   where          HOST:PORT of the broker
//
//   topic NAME     makes a topic with PARTITIONS (2); others have four
//
//   refuse         the next record that is sent is refused, as one that is too large
//
//   down, up       the broker closes all connections and takes no more; it takes them again
//
// It ends by a signal, or with whoever started it.
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <string>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "tests/kafka/front.h"

namespace workmand::kafka_broker {
namespace {

class Mock {
 public:
  explicit Mock(int partitions) : partitions_(partitions) {
    std::array<char, 512> why{};
    rd_kafka_conf_t* const conf = rd_kafka_conf_new();
    handle_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why.data(), why.size());
    if (handle_ == nullptr) {
      std::fprintf(stderr, "kafka_broker: %s\n", why.data());
      std::exit(EXIT_FAILURE);
    }
    cluster_ = rd_kafka_mock_cluster_new(handle_, 1);
    // What a program cannot do with this broker it must not be told that it can.
    if (cluster_ == nullptr) std::exit(EXIT_FAILURE);
  }

  [[nodiscard]] std::uint16_t port() const {
    const std::string where = rd_kafka_mock_cluster_bootstraps(cluster_);
    return static_cast<std::uint16_t>(std::stoi(where.substr(where.rfind(':') + 1)));
  }

  std::string MakeTopic(const std::string& name) {
    const auto error = rd_kafka_mock_topic_create(cluster_, name.c_str(), partitions_, 1);
    return error == RD_KAFKA_RESP_ERR_NO_ERROR ? "ok" : rd_kafka_err2str(error);
  }

  void RefuseOne() {
    constexpr std::int16_t kProduce = 0;  // Kafka's number of the request
    rd_kafka_mock_push_request_errors(cluster_, kProduce, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
  }

 private:
  int partitions_;
  rd_kafka_t* handle_ = nullptr;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
};

std::string Do(const std::string& command, Mock& mock, Front& front) {
  if (command == "where") return "127.0.0.1:" + std::to_string(front.port());
  if (command.starts_with("topic ")) return mock.MakeTopic(command.substr(6));
  if (command == "refuse") {
    mock.RefuseOne();
  } else if (command == "down") {
    front.Down();
  } else if (command == "up") {
    front.Up();
  } else {
    return "unknown command";
  }
  return "ok";
}

/// One connection at a time: each brings a command or a few, and ends.
void Obey(int connection, Mock& mock, Front& front) {
  std::FILE* const stream = fdopen(connection, "r+");
  std::array<char, 512> line{};
  while (std::fgets(line.data(), line.size(), stream) != nullptr) {
    std::string command(line.data());
    while (!command.empty() && (command.back() == '\n' || command.back() == '\r')) {
      command.pop_back();
    }
    const std::string answer = Do(command, mock, front) + "\n";
    (void)send(connection, answer.data(), answer.size(), MSG_NOSIGNAL);
  }
  (void)std::fclose(stream);
}

}  // namespace
}  // namespace workmand::kafka_broker

int main(int argc, char** argv) {
  using namespace workmand::kafka_broker;
  if (argc < 2 || argc > 3) {
    std::fputs("usage: kafka_broker PORT [PARTITIONS]\n", stderr);
    return 64;
  }
  (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
  auto port = static_cast<std::uint16_t>(std::atoi(argv[1]));
  const int listener = ListenOn(port);
  Mock mock(argc == 3 ? std::atoi(argv[2]) : 2);
  Front front(mock.port());
  for (;;) {
    const int connection = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection >= 0) Obey(connection, mock, front);
  }
}
