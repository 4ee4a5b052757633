// Ctrl-C and SIGTERM as a request that long work can answer at a good moment. A second one ends the program at once.
#pragma once

namespace attune::cli {

class InterruptGuard {
 public:
  InterruptGuard();   // from now on signals are only noted
  ~InterruptGuard();  // what they did before
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  static bool requested();
  static int exit_code();  // 130 after Ctrl-C, 143 after SIGTERM, as shells have it
};

}  // namespace attune::cli
