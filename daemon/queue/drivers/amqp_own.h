// Jobs as the driver `amqp` writes them: the task in the property `type`, the payload as the body.
#pragma once

#include "daemon/queue/drivers/amqp_dialect.h"

namespace workmand::amqp {

class OwnDialect final : public Dialect {
 public:
  explicit OwnDialect(bool priorities) : priorities_(priorities) {}

  void Read(Hold& hold) const override;
  [[nodiscard]] std::string WhyNot(const Enqueue& job) const override;
  std::string_view Write(const Enqueue& job, std::string_view id,
                         Outgoing& properties) const override;

 private:
  bool priorities_;  ///< false: the queue knows none
};

}  // namespace workmand::amqp
