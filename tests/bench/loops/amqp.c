// A durable queue over librabbitmq: persistent messages, prefetch of a batch, one acknowledgement
// (`multiple`) for each. ADDRESS is a port.
#include <amqp.h>
#include <amqp_tcp_socket.h>

#include "loop.h"

static amqp_connection_state_t link;

static void CheckReply(const char* what) {
  Check(amqp_get_rpc_reply(link).reply_type == AMQP_RESPONSE_NORMAL, what);
}

static void Fill(const struct Loop* loop) {
  amqp_basic_properties_t properties = {0};
  properties._flags = AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_TYPE_FLAG;
  properties.delivery_mode = 2;
  properties.type = amqp_cstring_bytes("Echo");
  for (long i = 0; i < loop->jobs; ++i)
    Check(amqp_basic_publish(link, 1, amqp_empty_bytes, amqp_cstring_bytes("loop"), 0, 0,
                             &properties, amqp_cstring_bytes(loop->payload)) == AMQP_STATUS_OK,
          "publish");
  for (;;) {
    const amqp_queue_declare_ok_t* queue =
        amqp_queue_declare(link, 1, amqp_cstring_bytes("loop"), 1, 0, 0, 0, amqp_empty_table);
    CheckReply("declare");
    if (queue->message_count == (uint32_t)loop->jobs) return;
    nanosleep(&(struct timespec){0, 10000000}, NULL);
  }
}

int main(int argc, char** argv) {
  struct Loop loop = ReadLoop(argc, argv);
  link = amqp_new_connection();
  amqp_socket_t* socket = amqp_tcp_socket_new(link);
  Check(amqp_socket_open(socket, "127.0.0.1", atoi(loop.address)) == AMQP_STATUS_OK, "connect");
  Check(amqp_login(link, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest").reply_type ==
            AMQP_RESPONSE_NORMAL,
        "login");
  amqp_channel_open(link, 1);
  CheckReply("channel");
  amqp_queue_declare(link, 1, amqp_cstring_bytes("loop"), 0, 1, 0, 0, amqp_empty_table);
  CheckReply("declare");
  Fill(&loop);
  Begin(&loop);
  amqp_basic_qos(link, 1, 0, (uint16_t)loop.batch, 0);
  CheckReply("qos");
  amqp_basic_consume(link, 1, amqp_cstring_bytes("loop"), amqp_empty_bytes, 0, 0, 0,
                     amqp_empty_table);
  CheckReply("consume");
  for (long done = 1; done <= loop.jobs; ++done) {
    amqp_envelope_t envelope;
    amqp_maybe_release_buffers(link);
    Check(amqp_consume_message(link, &envelope, NULL, 0).reply_type == AMQP_RESPONSE_NORMAL,
          "consume");
    if (done % loop.batch == 0 || done == loop.jobs)
      Check(amqp_basic_ack(link, 1, envelope.delivery_tag, 1) == AMQP_STATUS_OK, "ack");
    amqp_destroy_envelope(&envelope);
  }
  const int status = End(&loop);
  amqp_destroy_connection(link);
  return status;
}
