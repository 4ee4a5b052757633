// A run of the built program that goes on while the test looks on and sends it signals.
#pragma once

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include "program.h"

namespace attune::testing {

class Process {
 public:
  struct Limits {
    std::optional<uint64_t> file_bytes = {};  // no file may grow beyond; the kernel ends who tries (SIGXFSZ)
  };
  Process(const Workplace& place, const std::string& command) : Process(place, command, Limits{}) {}
  Process(const Workplace& place, const std::string& command, const Limits& limits) : place_(place) {
    const std::string line = "cd " + place.path("") + " && exec " ATTUNE_PROGRAM " " + command + " >" + output_ +
                             " 2>" + errors_ + " </dev/null";
    id_ = fork();
    if (id_ == 0) {
      const rlimit no_core{0, 0};
      setrlimit(RLIMIT_CORE, &no_core);
      if (limits.file_bytes) {
        const rlimit file{*limits.file_bytes, *limits.file_bytes};
        setrlimit(RLIMIT_FSIZE, &file);
      }
      execl("/bin/sh", "sh", "-c", line.c_str(), nullptr);
      _exit(127);
    }
  }
  ~Process() {
    if (id_ > 0) {
      kill(id_, SIGKILL);
      waitpid(id_, nullptr, 0);
    }
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Looks again and again; false when the program ended, or half a minute, before it came true.
  bool wait_until(const std::function<bool()>& came_true) const {
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!came_true()) {
      siginfo_t ended{};
      waitid(P_PID, static_cast<id_t>(id_), &ended, WEXITED | WNOHANG | WNOWAIT);
      if (ended.si_pid != 0 || std::chrono::steady_clock::now() > patience) {
        return false;
      }
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    return true;
  }
  void send(int signal) const { kill(id_, signal); }
  pid_t id() const { return id_; }

  Ran wait() {
    int status = 0;
    waitpid(id_, &status, 0);
    id_ = -1;
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), place_.read(output_),
            place_.read(errors_)};
  }

 private:
  const std::string output_ = "process-stdout.txt", errors_ = "process-stderr.txt";
  const Workplace& place_;
  pid_t id_ = -1;
};

}  // namespace attune::testing
