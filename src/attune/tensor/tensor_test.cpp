#include <gtest/gtest.h>

#include <cmath>

#include "attune/base/error_of_test.h"
#include "attune/tensor/derived.h"
#include "attune/tensor/segments.h"
#include "attune/tensor/tensor.h"

namespace attune {
namespace {

using testing::error_of;

std::vector<double> values_of(const Tensor& x) {
  std::vector<double> values;
  for (int64_t i = 0; i < x.elements(); ++i) values.push_back(x.at(i));
  return values;
}

Tensor counting(const Shape& shape) {
  Tensor x = Tensor::empty(shape);
  for (size_t i = 0; i < x.data<float>().size(); ++i) x.data<float>()[i] = static_cast<float>(i);
  return x;
}

bool mentions(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Shape, counts_elements_from_both_ends_and_writes_itself) {
  const Shape shape{2, 3, 4};
  EXPECT_EQ(shape.elements(), 24);
  EXPECT_EQ(shape[0], 2);
  EXPECT_EQ(shape[-1], 4);
  EXPECT_EQ(shape.text(), "[2, 3, 4]");
  EXPECT_EQ(Shape().elements(), 1);
  EXPECT_EQ(Shape().text(), "[]");
  EXPECT_EQ(Shape({3, 0}).elements(), 0);
  EXPECT_NE(Shape({2}), Shape({2, 1}));
}

TEST(Shape, refuses_negative_sizes_overflow_and_too_many_axes) {
  EXPECT_THROW(Shape({2, -1}), Error);
  EXPECT_THROW(Shape({int64_t{1} << 40, int64_t{1} << 40}), Error);
  EXPECT_THROW(Shape({1, 1, 1, 1, 1, 1}), Error);
}

TEST(Tensor, tells_given_declared_and_allocated_apart) {
  const Tensor none, declared = Tensor::declared({2, 3}), made = Tensor::zeros({2, 3});
  EXPECT_FALSE(none);
  EXPECT_TRUE(declared);
  EXPECT_FALSE(declared.allocated());
  EXPECT_TRUE(made.allocated());
  EXPECT_EQ(declared.elements(), 6);
  EXPECT_TRUE(mentions(error_of([&] { declared.data<float>(); }), "only declared"));
  EXPECT_TRUE(mentions(error_of([&] { none.data<float>(); }), "was not given"));
}

TEST(Tensor, knows_its_rows_and_columns) {
  EXPECT_EQ(Tensor::zeros({2, 3, 4}).rows(), 6);
  EXPECT_EQ(Tensor::zeros({2, 3, 4}).columns(), 4);
  EXPECT_EQ(Tensor::zeros({4}).rows(), 1);
  EXPECT_EQ(Tensor::scalar(3).rows(), 1);
  EXPECT_EQ(Tensor::scalar(3).columns(), 1);
  EXPECT_EQ(Tensor::zeros({5, 0}).rows(), 5);
  EXPECT_EQ(Tensor::zeros({0, 5}).rows(), 0);
}

TEST(Tensor, holds_the_values_it_was_made_of) {
  EXPECT_EQ(values_of(Tensor::of<int32_t>({2, 2}, {1, 2, 3, 4})), (std::vector<double>{1, 2, 3, 4}));
  EXPECT_EQ(values_of(Tensor::full({2}, 1.5, DType::bfloat16)), (std::vector<double>{1.5, 1.5}));
  EXPECT_EQ(values_of(Tensor::full({2}, 1, DType::boolean)), (std::vector<double>{1, 1}));
  EXPECT_EQ(Tensor::scalar(2.5, DType::float64).item(), 2.5);
  EXPECT_EQ(error_of([] { Tensor::of<float>({2, 2}, {1, 2, 3}); }), "Tensor: 3 values for shape [2, 2]");
  EXPECT_THROW(Tensor::zeros({2}).item(), Error);
  EXPECT_THROW(Tensor::zeros({2}).at(2), Error);
  EXPECT_TRUE(mentions(error_of([] { Tensor::zeros({2}).data<double>(); }), "holds float32, but float64"));
}

TEST(Tensor, copies_share_their_elements_and_clones_do_not) {
  Tensor x = counting({3});
  const Tensor copy = x, clone = x.clone();
  x.data<float>()[0] = 7;
  EXPECT_EQ(copy.at(0), 7);
  EXPECT_EQ(clone.at(0), 0);
}

TEST(Tensor, views_share_the_elements_of_rows_and_columns) {
  Tensor x = counting({3, 4});
  const Tensor rows = x.rows_view(1, 2), columns = x.columns_view(1, 2), both = rows.columns_view(2, 2);
  EXPECT_EQ(values_of(rows), (std::vector<double>{4, 5, 6, 7, 8, 9, 10, 11}));
  EXPECT_EQ(values_of(columns), (std::vector<double>{1, 2, 5, 6, 9, 10}));
  EXPECT_EQ(values_of(both), (std::vector<double>{6, 7, 10, 11}));
  EXPECT_TRUE(rows.contiguous());
  EXPECT_FALSE(columns.contiguous());
  EXPECT_TRUE(x.columns_view(1, 2).rows_view(0, 1).contiguous());  // one row is a single span
  x.data<float>()[6] = 60;
  EXPECT_EQ(rows.at(2), 60);
  EXPECT_EQ(columns.at(3), 60);
  EXPECT_EQ(both.at(0), 60);
  EXPECT_EQ(values_of(x.viewed({2, 6}).rows_view(1, 1)), (std::vector<double>{60, 7, 8, 9, 10, 11}));
}

TEST(Tensor, views_of_three_axes_step_over_the_rest) {
  const Tensor x = counting({2, 3, 4});
  const Tensor part = x.columns_view(3, 1).rows_view(1, 1);
  EXPECT_EQ(part.shape(), Shape({1, 3, 1}));
  EXPECT_EQ(values_of(part), (std::vector<double>{15, 19, 23}));
  const std::vector<int64_t> strides{4, 12, 1};
  const Tensor swapped = x.strided_view({3, 2, 4}, strides, 0);
  EXPECT_EQ(swapped.at(4), 12);
  EXPECT_EQ(values_of(swapped.compact().rows_view(2, 1)), values_of(swapped.rows_view(2, 1)));
  const std::vector<int64_t> repeat{0, 1};
  EXPECT_EQ(values_of(counting({2}).strided_view({2, 2}, repeat, 0)), (std::vector<double>{0, 1, 0, 1}));
}

TEST(Tensor, views_stay_inside) {
  const Tensor x = counting({3, 4});
  EXPECT_THROW(x.rows_view(2, 2), Error);
  EXPECT_THROW(x.rows_view(-1, 2), Error);
  EXPECT_THROW(x.columns_view(3, 2), Error);
  EXPECT_THROW(x.viewed({5}), Error);
  EXPECT_TRUE(mentions(error_of([&] { x.columns_view(0, 2).viewed({6}); }), "strided"));
  EXPECT_TRUE(mentions(error_of([&] { x.columns_view(0, 2).data<float>(); }), "strided"));
  const std::vector<int64_t> far{5, 1}, loose{1, 4};
  EXPECT_TRUE(mentions(error_of([&] { x.strided_view({3, 4}, far, 0); }), "outside the storage"));
  EXPECT_TRUE(mentions(error_of([&] { x.strided_view({4, 3}, loose, 0); }), "last axis"));
  EXPECT_EQ(x.rows_view(3, 0).elements(), 0);
  EXPECT_TRUE(x.columns_view(4, 0).contiguous());
}

TEST(Tensor, converts_between_types) {
  const Tensor x = Tensor::of<double>({4}, {0, 1.5, -2, 1.00390625});  // the last one lies between two bfloat16
  EXPECT_EQ(values_of(x.to(DType::float32)), values_of(x));
  EXPECT_EQ(values_of(x.to(DType::int32)), (std::vector<double>{0, 1, -2, 1}));
  EXPECT_EQ(values_of(x.to(DType::bfloat16)), (std::vector<double>{0, 1.5, -2, 1}));
  EXPECT_EQ(values_of(x.to(DType::bfloat16).to(DType::float64)), (std::vector<double>{0, 1.5, -2, 1}));
  EXPECT_EQ(values_of(x.to(DType::boolean)), (std::vector<double>{0, 1, 1, 1}));
  EXPECT_EQ(x.to(DType::float64).storage(), x.storage());
  EXPECT_TRUE(std::isnan(Tensor::full({1}, NAN).to(DType::bfloat16).at(0)));
  const Tensor strided = counting({2, 3}).columns_view(1, 2);
  EXPECT_EQ(values_of(strided.to(DType::float64)), (std::vector<double>{1, 2, 4, 5}));
}

TEST(Tensor, changes_through_strided_views_and_counts_them) {
  Tensor x = counting({2, 3});
  const uint64_t before = x.storage()->version();
  Tensor columns = x.columns_view(1, 2);
  columns.fill(9);
  EXPECT_EQ(values_of(x), (std::vector<double>{0, 9, 9, 3, 9, 9}));
  columns.copy_from(Tensor::of<double>({2, 2}, {1, 2, 3, 4}));
  EXPECT_EQ(values_of(x), (std::vector<double>{0, 1, 2, 3, 3, 4}));
  EXPECT_EQ(x.storage()->version(), before + 2);
  EXPECT_THROW(columns.copy_from(Tensor::zeros({4})), Error);
}

TEST(Tensor, of_no_elements_works) {
  const Tensor x = Tensor::zeros({0, 3});
  EXPECT_TRUE(x.contiguous());
  EXPECT_EQ(x.data<float>().size(), 0u);
  EXPECT_EQ(x.clone().shape(), x.shape());
  EXPECT_EQ(x.to(DType::float64).shape(), x.shape());
  EXPECT_EQ(x.viewed({3, 0}).elements(), 0);
}

TEST(Storage, is_aligned_and_used_again) {
  release_cached_memory();
  const int64_t before = memory_use().in_use;
  {
    const Tensor x = Tensor::empty({1000});
    EXPECT_EQ(reinterpret_cast<uintptr_t>(x.storage()->data()) % 64, 0u);
    EXPECT_EQ(memory_use().in_use, before + 4000);
  }
  EXPECT_EQ(memory_use().in_use, before);
  if (reuses_storage) {
    EXPECT_GE(memory_use().cached, 4000);
    const std::byte* block = nullptr;
    {
      const Tensor x = Tensor::empty({1000});
      block = x.storage()->data();
    }
    EXPECT_EQ(Tensor::empty({999}).storage()->data(), block);
  }
  release_cached_memory();
  EXPECT_EQ(memory_use().cached, 0);
}

TEST(Storage, serves_a_smaller_tensor_from_a_kept_block_of_up_to_twice_its_size) {
  if (!reuses_storage) GTEST_SKIP();
  for (const int64_t size : {int64_t{100000}, int64_t{3000000}}) {  // a small and a large block
    release_cached_memory();
    { Tensor::empty({size}); }
    const int64_t allocations = memory_use().allocations;
    { Tensor::empty({size * 3 / 5}); }
    EXPECT_EQ(memory_use().allocations, allocations);
    { Tensor::empty({size / 3}); }
    EXPECT_EQ(memory_use().allocations, allocations + 1);
    { Tensor::empty({size * 2}); }
    EXPECT_EQ(memory_use().allocations, allocations + 2);
  }
  release_cached_memory();
}

TEST(Storage, keeps_little_more_than_tensors_once_held_at_the_same_time) {
  if (!reuses_storage) GTEST_SKIP();
  release_cached_memory();
  const int64_t before = memory_use().in_use;
  int64_t most = 0;
  for (int64_t size = 1000000; size < 40000000; size = size * 5 / 4) {  // each too large for the blocks before
    const Tensor x = Tensor::empty({size, 1}, DType::boolean), y = Tensor::empty({size, 1}, DType::boolean);
    most = std::max(most, memory_use().in_use);
    EXPECT_LE(memory_use().in_use + memory_use().cached,
              most + (most - before) * 17 / 64 + 1024);  // classes round up, too
  }
  EXPECT_GT(memory_use().cached, 0);
  release_cached_memory();
  EXPECT_EQ(memory_use().cached, 0);
}

TEST(Storage, remembers_its_peak) {
  reset_peak_memory();
  const int64_t before = memory_use().in_use;
  { Tensor::empty({100000}); }
  EXPECT_GE(memory_use().peak, before + 400000);
  reset_peak_memory();
  EXPECT_EQ(memory_use().peak, memory_use().in_use);
}

TEST(Segments, of_lengths_lie_one_after_another) {
  const Segments segments = Segments::of_lengths(std::vector<int>{2, 0, 3});
  EXPECT_EQ(segments.count(), 3);
  EXPECT_EQ(segments.begin(2), 2);
  EXPECT_EQ(segments.length(1), 0);
  EXPECT_EQ(segments.longest(), 3);
  EXPECT_EQ(segments.rows(), 5);
  EXPECT_EQ(segments.total(), 5);
  EXPECT_TRUE(segments.packed());
  EXPECT_TRUE(segments.disjoint());
  const Segments equal = Segments::equal(3, 4);
  EXPECT_EQ(equal.begin(2), 8);
  EXPECT_EQ(equal.rows(), 12);
  EXPECT_EQ(Segments().count(), 0);
  EXPECT_EQ(Segments().rows(), 0);
  EXPECT_TRUE(Segments().packed());
}

TEST(Segments, may_leave_gaps_or_coincide) {
  const Segments gaps = Segments::at({6, 0}, {2, 3}, 10);
  EXPECT_EQ(gaps.rows(), 10);
  EXPECT_EQ(gaps.total(), 5);
  EXPECT_FALSE(gaps.packed());
  EXPECT_TRUE(gaps.disjoint());
  const Segments beams = Segments::at({0, 0, 4}, {4, 4, 1}, 5);
  EXPECT_EQ(beams.rows(), 5);
  EXPECT_EQ(beams.total(), 9);
  EXPECT_FALSE(beams.packed());
  EXPECT_FALSE(beams.disjoint());
  EXPECT_TRUE(Segments::at({0, 2}, {2, 1}, 3).packed());
  EXPECT_FALSE(Segments::at({0, 2}, {2, 1}, 4).packed());
  EXPECT_TRUE(Segments::at({0, 2, 2}, {4, 0, 0}, 4).disjoint());  // an empty sequence overlaps nothing
}

TEST(Segments, stay_inside_the_matrix) {
  EXPECT_THROW(Segments::of_lengths(std::vector<int>{2, -1}), Error);
  EXPECT_THROW(Segments::at({0, 4}, {2, 3}, 6), Error);
  EXPECT_THROW(Segments::at({-1}, {1}, 6), Error);
  EXPECT_THROW(Segments::at({0, 1}, {2}, 6), Error);
}

TEST(Derived, is_made_once_for_each_form_and_place_until_the_storage_changes) {
  struct Sum {
    double value;
  };
  int made = 0;
  const auto sum_of = [&](const Tensor& x) {
    return derived<Sum>(x,
                        [&] {
                          ++made;
                          Sum sum{0};
                          for (int64_t i = 0; i < x.elements(); ++i) {
                            sum.value += x.at(i);
                          }
                          return std::make_shared<const Sum>(sum);
                        })
        ->value;
  };
  Tensor x = Tensor::of<float>({2, 2}, {1, 2, 3, 4});
  const Tensor first = x.rows_view(0, 1), second = x.rows_view(1, 1);
  EXPECT_EQ(sum_of(x), 10);
  EXPECT_EQ(sum_of(first), 3);
  EXPECT_EQ(sum_of(second), 7);
  EXPECT_EQ(sum_of(x.columns_view(0, 1)), 4);
  EXPECT_EQ(made, 4);
  EXPECT_EQ(sum_of(x) + sum_of(first) + sum_of(std::as_const(x)), 23);
  EXPECT_EQ(made, 4);
  x.data<float>()[0] = 11;
  EXPECT_EQ(sum_of(x), 20);
  EXPECT_EQ(sum_of(first), 13);
  EXPECT_EQ(made, 6);
  const Tensor same = x.clone();
  EXPECT_EQ(sum_of(same), 20);
  EXPECT_EQ(made, 7);
}

}  // namespace
}  // namespace attune
