#include "attune/train/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "attune/base/parallel.h"
#include "attune/base/rng.h"
#include "attune/train/options.h"

namespace attune {
namespace {

using Kind = OptimizerOptions::Kind;

struct Case {
  const char* name;
  OptimizerOptions options;
  std::vector<double> expected;  // by PyTorch 2.13 in float64, rate 0.1, four steps
};

std::vector<Case> cases() {
  std::vector<Case> list(6);
  list[0] = {"adam",
             {},
             {0.8939401878659969, -0.8211158755951615, 1.6363590628709772, -0.3762980331113074, 2.6199423810835762}};
  list[1] = {"adam with l2",
             {},
             {0.8876129760100242, -0.6991134999487105, 1.607913871624855, -0.3769429930833726, 2.6075069581496675}};
  list[1].options.weight_decay = 0.1;
  list[2] = {"adamw",
             {},
             {0.8683267660931888, -0.7869339781106459, 1.5632079981559528, -0.37053260443301067, 2.5075233780680795}};
  list[2].options.kind = Kind::adamw;
  list[2].options.weight_decay = 0.1;
  list[3] = {"sgd", {}, {0.58, -1.02, 1.88, -0.22, 2.68}};
  list[3].options.kind = Kind::sgd;
  list[4] = {"momentum", {}, {0.63473469, -0.915229465, 1.633794775, -0.371612535, 2.177411705}};
  list[4].options = list[3].options;
  list[4].options.momentum = 0.9;
  list[4].options.weight_decay = 0.1;
  list[5] = {"nesterov", {}, {0.7436515, -1.0233795, 1.7095895, -0.5574415, 2.1755275}};
  list[5].options = list[3].options;
  list[5].options.momentum = 0.9;
  list[5].options.nesterov = true;
  return list;
}

// Gradient scale 1/4 on gradients four times as large: the scale is part of the step.
Tensor four_steps(const OptimizerOptions& options, DType dtype) {
  Tensor parameters = Tensor::of<double>({5}, {0.5, -1, 2, 0, 3}).to(dtype).clone();
  Optimizer optimizer(options, 5, dtype);
  for (int t = 0; t < 4; ++t) {
    std::vector<double> gradient(5);
    for (int i = 0; i < 5; ++i) {
      gradient[static_cast<size_t>(i)] = 4 * (0.1 * (t + 1) * (i - 1.5) + 0.05 * t * t);
    }
    optimizer.step(parameters, Tensor::of<double>({5}, gradient).to(dtype),
                   {.learning_rate = 0.1, .gradient_scale = 0.25});
  }
  EXPECT_EQ(optimizer.steps(), 4);
  return parameters;
}

TEST(Optimizer, steps_equal_pytorchs) {
  for (const Case& c : cases()) {
    for (const DType dtype : {DType::float64, DType::float32}) {
      const Tensor result = four_steps(c.options, dtype);
      for (int64_t i = 0; i < 5; ++i) {
        EXPECT_NEAR(result.at(i), c.expected[static_cast<size_t>(i)], dtype == DType::float64 ? 1e-12 : 2e-6)
            << c.name << " " << name_of(dtype) << " element " << i;
      }
    }
  }
}

// One optimizer's result on `size` elements after three steps.
Tensor run(const OptimizerOptions& options, int64_t size, int64_t from = 0) {
  Tensor parameters = Tensor::empty({size}), gradient = Tensor::empty({size});
  const Rng rng(7);
  for (int64_t i = 0; i < size; ++i) {
    parameters.data<float>()[static_cast<size_t>(i)] = static_cast<float>(rng.normal(static_cast<uint64_t>(i + from)));
  }
  Optimizer optimizer(options, size, DType::float32);
  for (uint64_t t = 0; t < 3; ++t) {
    for (int64_t i = 0; i < size; ++i) {
      gradient.data<float>()[static_cast<size_t>(i)] =
          static_cast<float>(rng.stream(t).normal(static_cast<uint64_t>(i + from)));
    }
    optimizer.step(parameters, gradient, {.learning_rate = 0.01, .gradient_scale = 0.3});
  }
  return parameters;
}

TEST(Optimizer, bits_do_not_depend_on_threads_or_on_an_elements_place) {
  for (const Case& c : cases()) {
    set_threads(1);
    const Tensor one = run(c.options, 100'003);
    set_threads(2);
    const Tensor two = run(c.options, 100'003), tail = run(c.options, 3, 100'000), single = run(c.options, 1, 5);
    set_threads(0);
    EXPECT_EQ(std::memcmp(one.storage()->data(), two.storage()->data(), 400'012), 0) << c.name;
    EXPECT_EQ(std::memcmp(one.rows_view(100'000, 3).clone().storage()->data(), tail.storage()->data(), 12), 0)
        << c.name;
    EXPECT_EQ(one.at(5), single.at(0)) << c.name;
  }
}

TEST(Optimizer, zero_gradients_leave_zero_padding_at_zero) {
  for (const Case& c : cases()) {
    Tensor parameters = Tensor::zeros({16});
    Optimizer optimizer(c.options, 16, DType::float32);
    optimizer.step(parameters, Tensor::zeros({16}), {.learning_rate = 1});
    for (int64_t i = 0; i < 16; ++i) {
      EXPECT_EQ(parameters.at(i), 0) << c.name;
    }
  }
}

TEST(Optimizer, marks_the_parameters_as_changed) {
  Tensor parameters = Tensor::zeros({16});
  const uint64_t before = parameters.storage()->version();
  Optimizer optimizer({}, 16, DType::float32);
  optimizer.step(parameters, Tensor::full({16}, 1), {.learning_rate = 1});
  EXPECT_NE(parameters.storage()->version(), before);
}

TEST(MovingAverage, follows_its_formula) {
  for (const DType dtype : {DType::float32, DType::float64}) {
    Tensor mean = Tensor::full({5}, 2, dtype);
    update_moving_average(mean, Tensor::full({5}, 4, dtype), 0.9, 1);  // early: decay 2/11
    EXPECT_NEAR(mean.at(4), 2 * 2.0 / 11 + 4 * 9.0 / 11, 1e-6);
    const double before = mean.at(0);
    update_moving_average(mean, Tensor::full({5}, -1, dtype), 0.9, 100'000);
    EXPECT_NEAR(mean.at(0), 0.9 * before - 0.1, 1e-6);
  }
}

TEST(TrainOptions, wrong_values_are_refused_by_their_key) {
  const auto refuses = [](auto change, const std::string& key) {
    TrainOptions options;
    change(options);
    try {
      check_options(options);
      ADD_FAILURE() << "accepted a wrong " << key;
    } catch (const UsageError& error) {
      EXPECT_NE(std::string(error.what()).find(key), std::string::npos) << error.what();
    }
  };
  EXPECT_NO_THROW(check_options({}));
  refuses([](TrainOptions& o) { o.optimizer = "adm"; }, "optimizer: expected adam, adamw or sgd, got \"adm\"");
  refuses([](TrainOptions& o) { o.lr_scheduler = ""; }, "lr-scheduler");
  refuses([](TrainOptions& o) { o.lr = -1; }, "lr");
  refuses([](TrainOptions& o) { o.lr = std::nan(""); }, "lr");
  refuses([](TrainOptions& o) { o.batch_tokens = 0; }, "batch-tokens");
  refuses([](TrainOptions& o) { o.update_freq = 0; }, "update-freq");
  refuses([](TrainOptions& o) { o.adam_epsilon = 0; }, "adam-epsilon");
  refuses([](TrainOptions& o) { o.label_smoothing = 1; }, "label-smoothing");
  refuses([](TrainOptions& o) { o.compute_type = "int8"; }, "compute-type");
  refuses([](TrainOptions& o) { o.max_epoch = 0; }, "never end");
  refuses([](TrainOptions& o) { o.lr_scheduler = "cosine"; }, "max-update");
  refuses([](TrainOptions& o) { o.ema_decay = 0.9, o.average_last = 2; }, "ema-decay");
}

}  // namespace
}  // namespace attune
