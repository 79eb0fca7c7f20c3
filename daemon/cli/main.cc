// The `workman` program: puts jobs on a profile's queue and talks to its running daemon.
#include "daemon/cli/command_line.h"

int main(int argc, char** argv) {
  return static_cast<int>(workmand::cli::RunCommandLine(argc, argv));
}
