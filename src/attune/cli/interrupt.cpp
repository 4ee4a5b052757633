#include "attune/cli/interrupt.h"

#include <atomic>
#include <csignal>

namespace attune::cli {

namespace {

std::atomic<int> received{0};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may touch nothing else");

void receive(int signal) {
  received = signal;
  std::signal(signal, SIG_DFL);
}

}  // namespace

InterruptGuard::InterruptGuard() {
  received = 0;
  std::signal(SIGINT, receive);
  std::signal(SIGTERM, receive);
}

InterruptGuard::~InterruptGuard() {
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

bool InterruptGuard::requested() {
  return received != 0;
}

int InterruptGuard::exit_code() {
  return 128 + received;
}

}  // namespace attune::cli
