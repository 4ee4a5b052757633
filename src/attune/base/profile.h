// Where the time goes: a tree of scopes with their calls, times, operations and bytes. A Profile records the scopes of
// the thread that made it while it lives; without one a scope costs a branch and records nothing.
//
//   Tensor softmax(const Tensor& x) {
//     const ProfileScope scope("softmax");
//     scope.count(5.0 * elements, 2.0 * bytes);  // where it is known
//
// The body of a parallel loop opens no scopes: which thread it runs on is chance.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace attune {

struct ProfileNode {
  std::string_view name;
  int64_t calls = 0;
  double seconds = 0;  // wall time, that of the children included
  // Counted here and in the children: useful operations (a product [m, k] x [k, n] has 2 m n k, attention those of its
  // visible pairs), and the bytes that must be moved at least once, were the caches without limit within the scope.
  double flops = 0, bytes = 0;
  std::vector<ProfileNode> children = {};  // by their first opening

  double self_seconds() const;  // outside of every child
};

struct ProfileTree {
  ProfileNode total;             // named "total": from the start to the stop
  double processor_seconds = 0;  // used by all threads of the process meanwhile
};

class Profile {
 public:
  Profile();   // records this thread's scopes from now on; throws Error when it is being profiled already
  ~Profile();  // on the same thread
  Profile(const Profile&) = delete;
  Profile& operator=(const Profile&) = delete;

  // Ends the recording; once, on the thread that started it. Scopes still open count until now.
  ProfileTree stop();

  class Recorder;

 private:
  std::unique_ptr<Recorder> recorder_;
};

namespace detail {
// This thread's; null while nothing is recorded. constinit: reading it is one load, without a call.
extern constinit thread_local Profile::Recorder* profile_recorder;
uint64_t open_scope(std::string_view name);
void close_scope(uint64_t recorder);
void count_in_scope(double flops, double bytes);
}  // namespace detail

// Nothing is recorded on this thread while it lives: around what opens scopes in the body of a parallel loop, whose
// caller counts for all threads.
class ProfilePause {
 public:
  ProfilePause() : paused_(detail::profile_recorder) { detail::profile_recorder = nullptr; }
  ~ProfilePause() { detail::profile_recorder = paused_; }
  ProfilePause(const ProfilePause&) = delete;
  ProfilePause& operator=(const ProfilePause&) = delete;

 private:
  Profile::Recorder* paused_;
};

class ProfileScope {
 public:
  // name: of static storage, a literal as a rule. Equal names under one parent are one node.
  explicit ProfileScope(std::string_view name)
      : recorder_(detail::profile_recorder == nullptr ? 0 : detail::open_scope(name)) {}
  ~ProfileScope() {
    if (recorder_ != 0) {
      detail::close_scope(recorder_);
    }
  }
  ProfileScope(const ProfileScope&) = delete;
  ProfileScope& operator=(const ProfileScope&) = delete;

  // Adds to the innermost open scope of this thread, whoever opened it: a backward counts in the scope that the tape
  // opened for it.
  static void count(double flops, double bytes) {
    if (recording()) {
      detail::count_in_scope(flops, bytes);
    }
  }
  // To leave out what only a count needs.
  static bool recording() { return detail::profile_recorder != nullptr; }

 private:
  uint64_t recorder_;  // which one noted the opening; 0: none
};

}  // namespace attune
