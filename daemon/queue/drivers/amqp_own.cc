#include "daemon/queue/drivers/amqp_own.h"

namespace workmand::amqp {
namespace {

/// The task of a message: `type`, or a header for clients that cannot set it.
std::string_view TaskOf(const Properties& properties) {
  const std::string_view type = properties.type();
  return type.empty() ? properties.Text("task") : type;
}

}  // namespace

void Dialect::Tell(Link& link, const Hold& hold, std::string_view type, const Update& update) {
  const Properties& question = hold.message.properties;
  if (question.reply_to().empty()) return;
  Outgoing properties;
  properties.SetType(type);
  properties.SetId(hold.id);
  properties.SetCorrelationId(question.correlation_id().empty() ? std::string_view(hold.id)
                                                                : question.correlation_id());
  if (update.kind == Update::Kind::kProgress) {
    properties.Add(kNumeratorHeader, update.numerator);
    properties.Add(kDenominatorHeader, update.denominator);
  }
  // The caller may be gone: then there is nowhere for it to go.
  link.Publish(question.reply_to(), properties, update.bytes, false);
}

void OwnDialect::Read(Hold& hold) const {
  hold.id = hold.message.properties.id();
  hold.task = TaskOf(hold.message.properties);
  hold.payload = hold.message.body;
}

std::string OwnDialect::WhyNot(const Enqueue& job) const {
  if (priorities_ || job.priority == Priority::kNormal) return {};
  return "a quorum queue knows no priorities";
}

std::string_view OwnDialect::Write(const Enqueue& job, std::string_view id,
                                   Outgoing& properties) const {
  properties.SetId(id);
  properties.SetType(job.task);
  if (priorities_) properties.SetPriority(static_cast<std::uint8_t>(job.priority));
  if (job.foreground) properties.SetCorrelationId(id);
  return job.payload;
}

}  // namespace workmand::amqp
