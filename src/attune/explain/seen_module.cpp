#include "attune/explain/seen_module.h"

#include <array>
#include <span>
#include <vector>

#include "attune/autograd/tape.h"
#include "attune/base/check.h"
#include "attune/ops/cross_entropy.h"
#include "attune/ops/linear.h"

namespace attune::explain {

namespace {

Tensor in_rows(const std::vector<Tensor>& parts) {
  int64_t rows = 0;
  for (const Tensor& part : parts) rows += part.size(0);
  Tensor all = Tensor::zeros({rows, parts.front().elements() / parts.front().size(0)}, DType::float64);
  auto to = all.data<double>().begin();
  for (const Tensor& part : parts) {
    for (int64_t i = 0; i < part.elements(); ++i) *to++ = part.at(i);
  }
  return all;
}

// "buckets" of "MODULE.parts.buckets.0", else nothing.
std::string part_of(const std::string& name, const std::string& module) {
  const std::string before = module + ".parts.", behind = ".0";
  return name.starts_with(before) && name.ends_with(behind)
             ? name.substr(before.size(), name.size() - before.size() - behind.size())
             : "";
}

}  // namespace

Tensor SeenModule::part(const std::string& name, int head) const {
  const auto found = parts.find(name);
  check(found != parts.end(), "explain: the module shows no ", name);
  const Tensor& all = found->second;
  const int64_t rows = all.size(1), columns = all.size(2);
  return all.viewed({all.size(0) * rows, columns}).rows_view(all.size(0) == 1 ? 0 : head * rows, rows).compact();
}

SeenModule look_into(const Model& model, const Example& pair, const std::string& module, const std::string& watched) {
  SeenModule seen;
  std::vector<Tensor> inputs, outputs, gradients;
  Tape tape;
  const Probe probe([&](const std::string& name, const Tensor& value) {
    if (name == "encoder.embedding.rows") seen.embeddings = in_rows({value});
    if (name == "encoder.output") seen.memory = in_rows({value});
    if (name == module + ".weights.0") seen.weights = value.to(DType::float64);
    if (name == module + ".input") inputs.push_back(value.clone());
    if (name == module + ".values") seen.values = in_rows({value});
    if (const std::string part = part_of(name, module); !part.empty()) seen.parts[part] = value.to(DType::float64);
    if (name == module + "." + watched) {
      outputs.push_back(value);
      tape.watch(value);
    }
  });
  const Batch batch = make_batch(std::span(&pair, 1), std::array{0});
  const Tensor hidden = model.hidden(batch, {.probe = &probe});
  const OutputLayer output = model.output();
  const Tensor logits = linear(hidden, output.weight, output.bias);
  const Gradients of_loss = tape.backward(cross_entropy(logits, batch.target_output).loss);
  for (const Tensor& each : outputs) gradients.push_back(of_loss.of(each));
  seen.input = in_rows(inputs);
  seen.gradient = in_rows(gradients);
  return seen;
}

ModuleWeights::ModuleWeights(const Model& model, std::string module) : model_(model), module_(std::move(module)) {}

bool ModuleWeights::has(const std::string& part) const {
  return model_.parameters().find(module_ + "." + part) != nullptr;
}

Tensor ModuleWeights::of(const std::string& part, int64_t begin, int64_t columns) const {
  const Parameters::Entry* entry = model_.parameters().find(module_ + "." + part);
  check(entry != nullptr, "explain: no parameter is called ", module_, ".", part);
  const Tensor stored = *entry->parameter;
  const int64_t in = stored.rank() == 1 ? 1 : stored.size(1), count = columns < 0 ? stored.size(0) : columns;
  Tensor result = Tensor::zeros({in, count}, DType::float64);
  for (int64_t i = 0; i < in; ++i) {
    for (int64_t j = 0; j < count; ++j) {
      result.data<double>()[static_cast<size_t>(i * count + j)] = stored.at((begin + j) * in + i);
    }
  }
  return result;
}

Tensor columns_of(const Tensor& x, int64_t begin, int64_t columns) {
  return x.columns_view(begin, columns).compact();
}

}  // namespace attune::explain
