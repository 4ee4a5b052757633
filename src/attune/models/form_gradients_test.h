// Of every form of a model: its loss's gradients against finite differences.
#pragma once

#include <gtest/gtest.h>

#include "attune/models/forms_test.h"
#include "attune/nn/module_gradients.h"

namespace attune::testing {

// ready(config, dtype) -> a pointer to a model; loss_of(*model, pass) -> a scalar, the same at each call.
template <class Ready, class LossOf>
void expect_right_gradients(const std::vector<Form>& all, const Ready& ready_model, const LossOf& loss_of) {
  for (const Form& form : all) {
    ModelConfig config = form.config;
    config.encoder_layers = config.decoder_layers = std::min(config.encoder_layers, 1);
    config.channels = config.channels.substr(0, config.channels.find(','));  // of the one layer
    config.width = 4, config.feed_forward = config.spatial_heads == 2 ? 8 : 6;
    config.source_vocabulary = config.target_vocabulary = 12;
    config.activation = config.activation == "relu" ? "silu" : config.activation;  // no kinks
    config.encoder_gradient = 1;                                                   // the loss's own
    const auto model = ready_model(config, DType::float64);
    const Pass pass{.dropout = Rng(4)};
    const auto worst = parameter_gradient_error(model->parameters(), [&] { return loss_of(*model, pass); });
    EXPECT_LE(worst.error, 2e-7) << form.name << ' ' << worst.where;
    EXPECT_GT(worst.checked, 50) << form.name;
  }
}

}  // namespace attune::testing
