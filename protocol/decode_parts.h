// The larger pieces of decoding, one file each. Each reads into `out` and leaves its complaint in
// the Fields it was given.
#pragma once

#include "protocol/fields.h"
#include "protocol/messages.h"

namespace workman::protocol {

/// The announcement (decode_ready.cc).
void ReadReady(Fields& fields, Ready& out);

/// A job to be enqueued, alone or as an element of an outcome's array (decode_job_spec.cc).
void ReadJobSpec(Fields& fields, JobSpec& out);

}  // namespace workman::protocol
