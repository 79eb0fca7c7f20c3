// kafka_broker PORT [PARTITIONS]: stands in for a Kafka server in tests, which Debian does not
// have: librdkafka's mock cluster (rdkafka_mock.h), which speaks Kafka's protocol and keeps topics
// in memory. A line on a connection to PORT is a command, and each is answered with a line:
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
#include <arpa/inet.h>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <string>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

constexpr int kBroker = 1;  // the first and only one

class Broker {
 public:
  explicit Broker(int partitions) : partitions_(partitions) {
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

  std::string Do(const std::string& command) {
    if (command == "where") return rd_kafka_mock_cluster_bootstraps(cluster_);
    if (command.starts_with("topic ")) {
      const std::string name = command.substr(6);
      return Said(rd_kafka_mock_topic_create(cluster_, name.c_str(), partitions_, 1));
    }
    if (command == "refuse") {
      constexpr std::int16_t kProduce = 0;  // Kafka's number of the request
      rd_kafka_mock_push_request_errors(cluster_, kProduce, 1,
                                        RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
      return "ok";
    }
    if (command == "down") return Said(rd_kafka_mock_broker_set_down(cluster_, kBroker));
    if (command == "up") return Said(rd_kafka_mock_broker_set_up(cluster_, kBroker));
    return "unknown command";
  }

 private:
  static std::string Said(rd_kafka_resp_err_t error) {
    return error == RD_KAFKA_RESP_ERR_NO_ERROR ? "ok" : rd_kafka_err2str(error);
  }

  int partitions_;
  rd_kafka_t* handle_ = nullptr;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
};

int Listen(int port) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  (void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener, SOMAXCONN) != 0) {
    std::perror("kafka_broker");
    std::exit(EXIT_FAILURE);
  }
  return listener;
}

/// One connection at a time: each brings a command or a few, and ends.
void Serve(int connection, Broker& broker) {
  std::FILE* const stream = fdopen(connection, "r+");
  std::array<char, 512> line{};
  while (std::fgets(line.data(), line.size(), stream) != nullptr) {
    std::string command(line.data());
    while (!command.empty() && (command.back() == '\n' || command.back() == '\r')) {
      command.pop_back();
    }
    const std::string answer = broker.Do(command) + "\n";
    (void)send(connection, answer.data(), answer.size(), MSG_NOSIGNAL);
  }
  (void)std::fclose(stream);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::fputs("usage: kafka_broker PORT [PARTITIONS]\n", stderr);
    return 64;
  }
  (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int listener = Listen(std::atoi(argv[1]));
  Broker broker(argc == 3 ? std::atoi(argv[2]) : 2);
  for (;;) {
    const int connection = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection >= 0) Serve(connection, broker);
  }
}
