#include "attune/base/profile.h"

#include <atomic>
#include <chrono>
#include <ctime>

#include "attune/base/check.h"

namespace attune {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_between(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
}

double processor_seconds() {
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + 1e-9 * static_cast<double>(used.tv_nsec);
}

uint64_t next_serial() {
  static std::atomic<uint64_t> serial{0};
  return ++serial;
}

}  // namespace

double ProfileNode::self_seconds() const {
  double self = seconds;
  for (const ProfileNode& child : children) {
    self -= child.seconds;
  }
  return self;
}

constinit thread_local Profile::Recorder* detail::profile_recorder = nullptr;

// The tree in one vector; the children of a node are a list in the order of their first opening.
class Profile::Recorder {
 public:
  Recorder() { open("total"); }

  uint64_t serial() const { return serial_; }

  void open(std::string_view name) {
    current_ = child_of(current_, name);
    ++nodes_[current_].calls;
    opened_.push_back(Clock::now());
  }

  void close() {
    Node& node = nodes_[current_];
    node.seconds += seconds_between(opened_.back(), Clock::now());
    opened_.pop_back();
    current_ = node.parent;
  }

  void count(double flops, double bytes) {
    nodes_[current_].flops += flops;
    nodes_[current_].bytes += bytes;
  }

  ProfileTree stop() {
    const double used = processor_seconds() - processor_before_;
    while (!opened_.empty()) {
      close();
    }
    return {tree_of(0), used};
  }

 private:
  static constexpr size_t none = ~size_t{0};
  struct Node {
    std::string_view name;
    size_t parent, first_child = none, last_child = none, next = none;
    int64_t calls = 0;
    double seconds = 0, flops = 0, bytes = 0;
  };

  size_t child_of(size_t parent, std::string_view name) {
    size_t child = parent == none ? none : nodes_[parent].first_child;
    while (child != none && nodes_[child].name != name) {
      child = nodes_[child].next;
    }
    if (child != none) {
      return child;
    }
    child = nodes_.size();
    nodes_.push_back({name, parent});
    if (parent != none) {
      Node& above = nodes_[parent];
      (above.first_child == none ? above.first_child : nodes_[above.last_child].next) = child;
      above.last_child = child;
    }
    return child;
  }

  ProfileNode tree_of(size_t index) const {
    const Node& node = nodes_[index];
    ProfileNode result{node.name, node.calls, node.seconds, node.flops, node.bytes, {}};
    for (size_t child = node.first_child; child != none; child = nodes_[child].next) {
      result.children.push_back(tree_of(child));
      result.flops += result.children.back().flops;
      result.bytes += result.children.back().bytes;
    }
    return result;
  }

  uint64_t serial_ = next_serial();
  double processor_before_ = processor_seconds();
  std::vector<Node> nodes_;
  size_t current_ = none;
  std::vector<Clock::time_point> opened_;  // of the scopes from the root to the current one
};

Profile::Profile() {
  check(detail::profile_recorder == nullptr, "profile: this thread is being profiled already; stop that one first");
  recorder_ = std::make_unique<Recorder>();
  detail::profile_recorder = recorder_.get();
}

Profile::~Profile() {
  if (recorder_) {
    detail::profile_recorder = nullptr;
  }
}

ProfileTree Profile::stop() {
  check(recorder_ != nullptr, "profile: it has been stopped already");
  detail::profile_recorder = nullptr;
  ProfileTree tree = recorder_->stop();
  recorder_.reset();
  return tree;
}

uint64_t detail::open_scope(std::string_view name) {
  profile_recorder->open(name);
  return profile_recorder->serial();
}

// A scope may outlive the recording that it began in, and even end in the next one.
void detail::close_scope(uint64_t recorder) {
  if (profile_recorder != nullptr && profile_recorder->serial() == recorder) {
    profile_recorder->close();
  }
}

void detail::count_in_scope(double flops, double bytes) {
  profile_recorder->count(flops, bytes);
}

}  // namespace attune
