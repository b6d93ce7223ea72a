// cli/terminal: where messages and progress of the command appear: on stderr, as a terminal or a log file wants it.
#pragma once

namespace noema {

struct TerminalOptions {
  bool quiet = false;
  bool verbose = false;
};

/// Sends the library's messages and progress to stderr: on a terminal one line that is redrawn, elsewhere a plain line
/// each time a tenth is done (at most one in ten seconds). Quiet: errors alone.
void use_terminal(const TerminalOptions& options);

/// Ctrl-C and SIGTERM ask the work to stop at the next safe point; a second one ends the process at once.
void handle_interrupts();

}  // namespace noema
