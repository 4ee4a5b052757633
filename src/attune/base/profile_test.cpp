#include "attune/base/profile.h"

#include <gtest/gtest.h>

#include <optional>
#include <stdexcept>
#include <thread>

#include "attune/base/error_of_test.h"

namespace attune {
namespace {

using testing::error_of;

void wait_a_moment() {
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
}

// No child takes longer than its parent, and together they do not either.
void expect_times_add_up(const ProfileNode& node) {
  EXPECT_GE(node.seconds, 0) << node.name;
  EXPECT_GE(node.self_seconds(), 0) << node.name;
  for (const ProfileNode& child : node.children) {
    expect_times_add_up(child);
  }
}

void countdown(int n) {
  const ProfileScope scope("countdown");
  if (n > 0) {
    countdown(n - 1);
  }
}

TEST(Profile, scopes_nest_and_equal_ones_fold_into_one_node) {
  Profile profile;
  for (int i = 0; i < 3; ++i) {
    const ProfileScope layer("layer");
    for (int j = 0; j < 2; ++j) {
      const ProfileScope inner("inner");
      wait_a_moment();
    }
    const ProfileScope other("other");
  }
  { const ProfileScope other("other"); }
  const ProfileTree tree = profile.stop();
  EXPECT_EQ(tree.total.name, "total");
  ASSERT_EQ(tree.total.children.size(), 2U);
  const ProfileNode& layer = tree.total.children[0];
  EXPECT_EQ(layer.name, "layer");
  EXPECT_EQ(layer.calls, 3);
  ASSERT_EQ(layer.children.size(), 2U);
  EXPECT_EQ(layer.children[0].name, "inner");
  EXPECT_EQ(layer.children[0].calls, 6);
  EXPECT_EQ(layer.children[1].name, "other");
  EXPECT_EQ(layer.children[1].calls, 3);
  EXPECT_EQ(tree.total.children[1].name, "other");
  EXPECT_EQ(tree.total.children[1].calls, 1);
  EXPECT_GE(layer.children[0].seconds, 6 * 0.002);
  EXPECT_GE(layer.seconds, layer.children[0].seconds);
  EXPECT_GE(tree.processor_seconds, 0);
  expect_times_add_up(tree.total);
}

TEST(Profile, a_recursion_goes_down_the_tree) {
  Profile profile;
  countdown(2);
  const ProfileTree tree = profile.stop();
  const ProfileNode* node = &tree.total;
  for (int depth = 0; depth < 3; ++depth) {
    ASSERT_EQ(node->children.size(), 1U) << depth;
    node = node->children.data();
    EXPECT_EQ(node->name, "countdown");
    EXPECT_EQ(node->calls, 1);
  }
  EXPECT_TRUE(node->children.empty());
  expect_times_add_up(tree.total);
}

TEST(Profile, counts_belong_to_the_innermost_scope_and_are_summed_upwards) {
  Profile profile;
  {
    const ProfileScope outer("outer");
    outer.count(1, 10);
    {
      const ProfileScope inner("inner");
      inner.count(2, 20);
      ProfileScope::count(4, 40);
    }
    outer.count(8, 80);
  }
  const ProfileTree tree = profile.stop();
  const ProfileNode& outer = tree.total.children.at(0);
  EXPECT_EQ(outer.flops, 15);
  EXPECT_EQ(outer.bytes, 150);
  EXPECT_EQ(outer.children.at(0).flops, 6);
  EXPECT_EQ(outer.children.at(0).bytes, 60);
  EXPECT_EQ(tree.total.flops, 15);
}

TEST(Profile, exceptions_close_their_scopes) {
  Profile profile;
  try {
    const ProfileScope outer("outer");
    const ProfileScope inner("inner");
    throw std::runtime_error("stop");
  } catch (const std::runtime_error&) {
    const ProfileScope after("after");
  }
  const ProfileTree tree = profile.stop();
  ASSERT_EQ(tree.total.children.size(), 2U);
  EXPECT_EQ(tree.total.children[0].children.at(0).name, "inner");
  EXPECT_EQ(tree.total.children[1].name, "after");
}

TEST(Profile, nothing_is_recorded_while_none_lives) {
  EXPECT_FALSE(ProfileScope::recording());
  const ProfileScope before("before");
  ProfileScope::count(1, 1);
  Profile profile;
  EXPECT_TRUE(ProfileScope::recording());
  const ProfileTree tree = profile.stop();
  EXPECT_FALSE(ProfileScope::recording());
  { const ProfileScope after("after"); }
  EXPECT_TRUE(tree.total.children.empty());
  EXPECT_EQ(tree.total.flops, 0);
  Profile again;
  EXPECT_TRUE(again.stop().total.children.empty());
}

TEST(Profile, other_threads_record_nothing_and_can_have_their_own) {
  Profile profile;
  std::optional<ProfileTree> theirs;
  std::thread([&] {
    { const ProfileScope scope("unseen"); }
    Profile own;
    { const ProfileScope scope("seen"); }
    theirs = own.stop();
  }).join();
  EXPECT_TRUE(profile.stop().total.children.empty());
  ASSERT_EQ(theirs->total.children.size(), 1U);
  EXPECT_EQ(theirs->total.children[0].name, "seen");
}

TEST(Profile, a_scope_may_outlive_the_recording_and_leaves_the_next_one_alone) {
  std::optional<Profile> first, second;
  std::optional<ProfileScope> open;
  first.emplace();
  open.emplace("open");
  wait_a_moment();
  const ProfileTree tree = first->stop();
  EXPECT_GE(tree.total.children.at(0).seconds, 0.002);
  second.emplace();
  const ProfileScope scope("scope");
  open.reset();
  { const ProfileScope inner("inner"); }
  const ProfileTree next = second->stop();
  ASSERT_EQ(next.total.children.size(), 1U);
  EXPECT_EQ(next.total.children[0].children.at(0).name, "inner");
}

TEST(Profile, a_thread_has_one_at_a_time) {
  Profile profile;
  EXPECT_NE(error_of([] { const Profile another; }).find("already"), std::string::npos);
  { const ProfileScope scope("still recorded"); }
  EXPECT_EQ(profile.stop().total.children.size(), 1U);
  EXPECT_NE(error_of([&] { profile.stop(); }).find("stopped already"), std::string::npos);
}

}  // namespace
}  // namespace attune
