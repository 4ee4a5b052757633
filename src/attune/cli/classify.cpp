// attune classify: texts, sentences or images in, labels out.
#include <cmath>
#include <nlohmann/json.hpp>

#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/cli/answers.h"
#include "attune/cli/command.h"
#include "attune/cli/console.h"
#include "attune/cli/option_table.h"
#include "attune/decode/label_predictions.h"
#include "attune/models/model_directory.h"
#include "attune/text/unicode.h"

namespace attune::cli {

namespace {

const About about{
    "classify", "--model DIR [--images FILE] [flags] < texts",
    "Prints the most probable label of each text (standard input, one a line), or of each image of an idx "
    "file, and the probability of every label. A model of tagging reads sentences of words between "
    "blanks and prints a tag for each word.",
    "  echo 'a gripping , funny film' | attune classify --model my-classifier\n"
    "  attune classify --model my-digits --images t10k-images-idx3-ubyte.gz --format json\n"};

using Json = nlohmann::ordered_json;

struct Settings {
  std::string directory, images, format = "text";
  PredictionOptions options = {};
  int threads = 0;
};

struct Labelling {
  const Labels& labels;
  bool json;
};

// "pos<TAB>neg 0.0312 pos 0.9688"
std::string as_text(const LogProbabilities& p, const Labels& labels) {
  std::string line = labels.name(most_probable(p)) + "\t";
  for (int i = 0; i < labels.count(); ++i) {
    line += fmt::format("{}{} {:.4f}", i == 0 ? "" : " ", labels.name(i), std::exp(p[static_cast<size_t>(i)]));
  }
  return line + "\n";
}

Json probabilities_of(const LogProbabilities& p, const Labels& labels) {
  Json json = Json::object();
  for (int i = 0; i < labels.count(); ++i) {
    json[labels.name(i)] = std::exp(p[static_cast<size_t>(i)]);
  }
  return json;
}

void classify_images(const Settings& settings, const ModelConfig& config, const Labelling& how) {
  ImageModel model(config);
  load_weights(model, settings.directory);
  const Images images = read_images(settings.images);
  const std::vector<LogProbabilities> all = predictions(model, images, settings.options);
  for (size_t i = 0; i < all.size(); ++i) {
    const int label = most_probable(all[i]);
    print(how.json ? line_of({{"image", i},
                              {"label", how.labels.name(label)},
                              {"probabilities", probabilities_of(all[i], how.labels)}})
                   : as_text(all[i], how.labels));
  }
}

void classify_texts(const Settings& settings, const ModelConfig& config, const Labelling& how) {
  const auto tokenizer = load_tokenizers(settings.directory, config).source;
  ClassificationModel model(config);
  load_weights(model, settings.directory);
  answer_lines("texts", [&](const std::string& text, const std::string&) {
    const std::vector<Example> examples = encode_texts(std::span(&text, 1), *tokenizer, text_options(config));
    const LogProbabilities p = predictions(model, examples, settings.options).front();
    return how.json ? line_of({{"text", text},
                               {"label", how.labels.name(most_probable(p))},
                               {"probabilities", probabilities_of(p, how.labels)}})
                    : as_text(p, how.labels);
  });
}

// word/tag pairs would be ambiguous where a word has a slash: the tags alone, one for each word.
std::string tags_of(const std::vector<LogProbabilities>& words, const Labels& labels) {
  std::string line;
  for (const LogProbabilities& p : words) {
    line += (line.empty() ? "" : " ") + labels.name(most_probable(p));
  }
  return line + "\n";
}

Json tagged_words(const std::vector<std::string>& words, const std::vector<LogProbabilities>& all,
                  const Labels& labels) {
  Json list = Json::array();
  for (size_t i = 0; i < words.size(); ++i) {
    const int tag = most_probable(all[i]);
    list.push_back(
        {{"word", words[i]}, {"tag", labels.name(tag)}, {"probability", std::exp(all[i][static_cast<size_t>(tag)])}});
  }
  return list;
}

void tag_sentences(const Settings& settings, const ModelConfig& config, const Labelling& how) {
  const auto tokenizer = load_tokenizers(settings.directory, config).source;
  TaggingModel model(config);
  load_weights(model, settings.directory);
  answer_lines("sentences", [&](const std::string& text, const std::string&) {
    std::vector<std::string> words;
    for (const std::string_view word : split_whitespace(text)) {
      words.emplace_back(word);
    }
    const std::vector<LogProbabilities> all =
        words.empty() ? std::vector<LogProbabilities>{}
                      : predictions(model, encode_words(std::span(&words, 1), *tokenizer), settings.options).front();
    return how.json ? line_of({{"words", tagged_words(words, all, how.labels)}}) : tags_of(all, how.labels);
  });
}

OptionTable::Outcome read_settings(Settings& settings, const Arguments& arguments) {
  OptionTable table(about);
  table.add("model", &settings.directory,
            "a model directory made by attune train --task classification, tagging or image_classification",
            {1, 1, "DIR"});
  table.add("images", &settings.images, "an idx file of images, for a model of image classification", {1, 1, "FILE"});
  table.add("batch-tokens", &settings.options.batch_tokens,
            "patches of images read together; the figures do not depend on it");
  table.add("threads", &settings.threads, "0: all cores this process may use");
  table.add("format", &settings.format, "text, or json: one object a line", {1, 1, "NAME"});
  return table.parse(arguments);
}

}  // namespace

int classify(const Arguments& arguments) {
  Settings settings;
  if (read_settings(settings, arguments) == OptionTable::Outcome::help) {
    return success;
  }
  const bool json = wants_json(settings.format);
  check_whole("batch-tokens", settings.options.batch_tokens, {1, 100'000'000});
  use_threads(settings.threads);
  check_usage(!settings.directory.empty(), "--model is missing: the directory of a trained model");
  const ModelConfig config = load_config(settings.directory);
  const bool of_images = config.task == "image_classification";
  check_usage(of_images || config.task == "classification" || config.task == "tagging", settings.directory,
              ": holds a model for the task ", config.task,
              ", expected classification, tagging or image_classification");
  check_usage(of_images == !settings.images.empty(), "--images: ",
              of_images ? "is missing: the model classifies images, give an idx file"
                        : "the model reads texts, from standard input; leave it out");
  const Labels labels = load_labels(settings.directory, config);
  const Labelling how{labels, json};
  (of_images ? classify_images : config.task == "tagging" ? tag_sentences : classify_texts)(settings, config, how);
  return success;
}

}  // namespace attune::cli
