// attune describe: the tree of a model's parts with shapes and counts, and what it costs. Nothing is allocated, so that
// a model of any size can be looked at before it is trained.
#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/cli/command.h"
#include "attune/cli/console.h"
#include "attune/cli/option_table.h"
#include "attune/models/describe.h"
#include "attune/models/label_models.h"
#include "attune/models/model_directory.h"
#include "attune/models/task.h"

namespace attune::cli {

namespace {

const About about{"describe", "(--model DIR | --config FILE) [flags]",
                  "Shows what a model is made of: its modules, the shapes and counts of its parameters, the "
                  "multiply-adds of a token and the memory of a training step. Nothing is allocated.",
                  "  attune describe --encoder-layers 3 --decoder-layers 3 --width 256 --heads 4 --feed-forward 1024\n"
                  "  attune describe --model demo/model --format json\n"};

// A module: parameters below it by the parts of their names.
struct Node {
  std::string name;
  int64_t parameters = 0;
  std::string shape;  // of a parameter
  std::vector<std::unique_ptr<Node>> children;

  Node& child(const std::string& wanted) {
    for (const auto& node : children) {
      if (node->name == wanted) {
        return *node;
      }
    }
    children.push_back(std::make_unique<Node>());
    children.back()->name = wanted;
    return *children.back();
  }
};

std::string shape_text(const Shape& shape) {
  std::string text;
  for (const int64_t extent : shape.sizes()) {
    text += (text.empty() ? "" : " x ") + with_separators(extent);
  }
  return text;
}

Node tree_of(const ModelDescription& description, const std::string& name) {
  Node root;
  root.name = name;
  for (const TensorDescription& tensor : description.tensors) {
    const int64_t count = tensor.shape.elements();
    Node* node = &root;
    node->parameters += count;
    for (size_t begin = 0; begin < tensor.name.size();) {
      const size_t end = std::min(tensor.name.find('.', begin), tensor.name.size());
      node = &node->child(tensor.name.substr(begin, end - begin));
      node->parameters += count;
      begin = end + 1;
    }
    node->shape = shape_text(tensor.shape);
  }
  return root;
}

bool is_number(const std::string& name) {
  return name.find_first_not_of("0123456789") == std::string::npos;
}

bool alike(const Node& a, const Node& b) {
  if (a.parameters != b.parameters || a.shape != b.shape || a.children.size() != b.children.size()) {
    return false;
  }
  for (size_t i = 0; i < a.children.size(); ++i) {
    if (a.children[i]->name != b.children[i]->name || !alike(*a.children[i], *b.children[i])) {
      return false;
    }
  }
  return true;
}

bool holds_parameters_only(const Node& node) {
  return !node.children.empty() && std::all_of(node.children.begin(), node.children.end(),
                                               [](const auto& child) { return child->children.empty(); });
}

// Numbered siblings that are made alike (the layers of a stack) are shown once; a module that holds nothing but its
// parameters is one line.
void write_tree(const Node& node, const std::string& label, int depth, std::string& text) {
  const std::string name = std::string(static_cast<size_t>(2 * depth), ' ') + label;
  text += fmt::format("{:<36} {:>15}", name, with_separators(node.parameters));
  if (holds_parameters_only(node)) {
    const char* separator = "  ";
    for (const auto& parameter : node.children) {
      text += separator + parameter->name + " " + parameter->shape;
      separator = ", ";
    }
    text += '\n';
    return;
  }
  text += (node.shape.empty() ? "" : "  " + node.shape) + "\n";
  for (size_t i = 0; i < node.children.size();) {
    const Node& child = *node.children[i];
    size_t end = i + 1;
    while (is_number(child.name) && end < node.children.size() && is_number(node.children[end]->name) &&
           alike(child, *node.children[end])) {
      ++end;
    }
    const std::string range =
        end == i + 1 ? child.name : fmt::format("{} ... {}, each", child.name, node.children[end - 1]->name);
    write_tree(child, range, depth + 1, text);
    i = end;
  }
}

// What is read, and the work that a forward is.
std::string work_text(const ModelConfig& config, const ModelDescription& d, const DescribeOptions& options) {
  if (!reads_text(config)) {
    return fmt::format(
        "images                 {} pixels, {} channels, {} patches; {} labels\n"
        "multiply-adds an image {} (forward)\n",
        config.image_size, config.image_channels, image_shape(config).patches(), config.labels,
        with_separators(d.image_multiply_adds));
  }
  if (is_encoder_task(config)) {
    return fmt::format(
        "vocabulary             {}\n"
        "multiply-adds          {} a token, {} a prediction (sequences of {} tokens, forward)\n",
        with_separators(config.source_vocabulary), with_separators(d.source_multiply_adds_per_token),
        with_separators(d.target_multiply_adds_per_token), options.length);
  }
  if (!translates(config)) {
    return fmt::format(
        "vocabulary             {}\n"
        "multiply-adds a token  {} (sequences of {} tokens, forward)\n",
        with_separators(config.target_vocabulary), with_separators(d.target_multiply_adds_per_token), options.length);
  }
  return fmt::format(
      "vocabulary             {} source, {} target\n"
      "multiply-adds a token  {} source, {} target (sentences of {} tokens, forward)\n",
      with_separators(config.source_vocabulary), with_separators(config.target_vocabulary),
      with_separators(d.source_multiply_adds_per_token), with_separators(d.target_multiply_adds_per_token),
      options.length);
}

std::string as_text(const ModelConfig& config, const ModelDescription& d, const DescribeOptions& options) {
  std::string text = fmt::format("{:<36} {:>15}  {}\n", "module", "parameters", "shapes");
  const std::string& name = translates(config) ? config.architecture : config.task;
  write_tree(tree_of(d, name), name, 0, text);
  text += fmt::format("\nparameters             {}\n", with_separators(d.parameters));
  text += work_text(config, d, options);
  text += fmt::format(
      "weights                {}\n"
      "a training step        {} (weights, gradients, optimizer {}; activations {} with {} {} a batch)\n",
      bytes_text(d.weight_bytes), bytes_text(d.training_step_bytes), bytes_text(d.training_state_bytes),
      bytes_text(d.activation_bytes), with_separators(options.batch_tokens),
      translates(config) ? "target tokens" : "tokens");
  return text;
}

std::string as_json(const ModelConfig& config, const ModelDescription& d) {
  nlohmann::ordered_json json;
  json["parameters"] = d.parameters;
  json["source_multiply_adds_per_token"] = d.source_multiply_adds_per_token;
  json["target_multiply_adds_per_token"] = d.target_multiply_adds_per_token;
  if (!reads_text(config)) {
    json["image_multiply_adds"] = d.image_multiply_adds;
  }
  json["weight_bytes"] = d.weight_bytes;
  json["training_state_bytes"] = d.training_state_bytes;
  json["activation_bytes"] = d.activation_bytes;
  json["training_step_bytes"] = d.training_step_bytes;
  json["config"] = nlohmann::ordered_json::parse(to_json(config));
  json["tensors"] = nlohmann::ordered_json::array();
  for (const TensorDescription& tensor : d.tensors) {
    nlohmann::ordered_json shape = nlohmann::ordered_json::array();
    for (const int64_t extent : tensor.shape.sizes()) {
      shape.push_back(extent);
    }
    json["tensors"].push_back({{"name", tensor.name}, {"shape", shape}});
  }
  return json.dump(2) + "\n";
}

}  // namespace

int describe_model(const Arguments& arguments) {
  std::string directory, format = "text", compute_type = "float32";
  ModelConfig config;
  DescribeOptions options;
  OptionTable table(about);
  table.add("model", &directory, "a model directory; instead of --config and the model's flags", {1, 1, "DIR"});
  table.add_config_file();
  table.add("format", &format, "text or json", {1, 1, "NAME"});
  table.add("length", &options.length, "tokens of a sentence, for attention's share of the work");
  table.add("batch-tokens", &options.batch_tokens,
            "target tokens of a training batch; as many source tokens are assumed");
  table.add("compute-type", &compute_type, "of the training step's products: float32 or bfloat16");
  table.add("update-freq", &options.update_freq, "from 2 on the gradients of a batch and their sum are held");
  table.add("ema-decay", &options.ema_decay, "an average of the weights costs their size once more");
  table.add_model(config);
  if (table.parse(arguments) == OptionTable::Outcome::help) {
    return success;
  }
  const bool json_format = wants_json(format);
  check_whole("length", options.length, {1, 1'000'000});
  check_whole("batch-tokens", options.batch_tokens, {1, 100'000'000});
  check_number("ema-decay", options.ema_decay, {0, 1, false, true});
  check_whole("update-freq", options.update_freq, {1, 1'000'000});
  check_usage(compute_type == "float32" || compute_type == "bfloat16",
              "--compute-type: expected float32 or bfloat16, got ", compute_type);
  options.compute = dtype_of_name(compute_type);
  if (!directory.empty()) {
    const std::string other =
        table.given_besides({"model", "format", "length", "batch-tokens", "compute-type", "update-freq", "ema-decay"});
    check_usage(other.empty(), "--model ", directory, " has its own settings; leave out ", other);
    config = load_config(directory);
  } else {
    check_config(config);
    config.source_vocabulary = config.target_vocabulary = reads_text(config) ? config.vocab_size : 0;
  }
  const ModelDescription description = describe(config, options);
  print(json_format ? as_json(config, description) : as_text(config, description, options));
  return success;
}

}  // namespace attune::cli
