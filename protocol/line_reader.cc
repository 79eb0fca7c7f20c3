#include "protocol/line_reader.h"
