// attune demo: the whole way on a corpus that the program makes itself. Every part is kept in the directory, so that an
// interrupted demo goes on where it stopped.
#include "attune/base/check.h"
#include "attune/cli/alignment_report.h"
#include "attune/cli/attention_picture.h"
#include "attune/cli/command.h"
#include "attune/cli/console.h"
#include "attune/cli/demo_report.h"
#include "attune/cli/generated_files.h"
#include "attune/cli/interrupt.h"
#include "attune/cli/option_table.h"
#include "attune/cli/training_run.h"
#include "attune/cli/translation_score.h"
#include "attune/data/grammar.h"
#include "attune/decode/alignment.h"
#include "attune/decode/translator.h"
#include "attune/inspect/inspector.h"
#include "attune/inspect/report.h"
#include "attune/metrics/bleu.h"
#include "attune/models/model_directory.h"
#include "attune/tensor/atomic_file.h"
#include "attune/text/unicode.h"

namespace attune::cli {

namespace {

const About about{"demo", "[flags]",
                  "Makes a small English-Vietnamese corpus from a grammar, trains a Transformer on it, translates "
                  "held-out sentences, shows what the model looked at, and measures it. A few minutes on two cores; "
                  "interrupted, the same command goes on.",
                  "  attune demo --directory demo\n"};

// What the demo trains, and equally long, the model without attention to the source.
constexpr GrammarOptions corpus_size{.train = 20000, .valid = 300, .test = 600, .seed = 1};
constexpr int updates = 1000;
constexpr int sentences_shown = 10;

ModelConfig demo_model() {
  ModelConfig config;
  config.encoder_layers = config.decoder_layers = 2;
  config.width = 128;
  config.heads = 4;
  config.feed_forward = 512;
  config.dropout = 0.1;
  config.tokenizer = "words";
  config.joint_vocabulary = false;
  return config;
}

TrainOptions demo_training(int max_update) {
  TrainOptions options;
  options.max_update = max_update;
  options.max_epoch = 0;
  options.batch_tokens = 2048;
  options.lr = 2e-3;
  options.warmup_updates = 200;
  options.log_freq = 50;
  options.save_freq = 100;
  options.valid_freq = max_update / 2;
  return options;
}

struct Demo {
  std::string directory;
  int threads = 0;
  GeneratedCorpus corpus = {};
  std::string path(const std::string& name) const { return directory + "/" + name; }
};

void heading(int number, const std::string& text) {
  print("{}{}. {}\n", number == 1 ? "" : "\n", number, text);
  flush_output();
}

void make_corpus(Demo& demo) {
  make_directory(demo.directory);
  heading(1, "The corpus: sentences of a small English grammar with their Vietnamese translations");
  demo.corpus = make_grammar_corpus(corpus_size);
  write_pairs(demo.path("train"), {"en", "vi"}, demo.corpus.train);
  write_pairs(demo.path("valid"), {"en", "vi"}, demo.corpus.valid);
  write_pairs(demo.path("test"), {"en", "vi"}, demo.corpus.test);
  print(
      "   {} pairs to learn from, {} to watch the training, {} for the test; no sentence occurs twice.\n"
      "   Adjectives go behind the noun, the noun picks classifiers and verbs, time moves to the front.\n"
      "   For instance:  {}\n                  {}\n",
      with_separators(corpus_size.train), corpus_size.valid, corpus_size.test, demo.corpus.train[0].source,
      demo.corpus.train[0].target);
}

TrainResult train_model(const Demo& demo, const std::string& name, const std::string& cross_mixer, int max_update) {
  TrainingRun run;
  run.directory = demo.path(name);
  run.train = {demo.path("train.en"), demo.path("train.vi")};
  run.valid = {demo.path("valid.en"), demo.path("valid.vi")};
  run.config = demo_model();
  run.config.cross_mixer = cross_mixer;
  run.options = demo_training(max_update);
  run.options.threads = demo.threads;
  const TrainResult result = run_training(run);
  if (!result.interrupted) {
    print("   {} updates in {}{}: {}\n", with_separators(result.update), duration(result.seconds),
          result.already_finished ? " (done before)" : "", run.directory);
  }
  return result;
}

ParallelCorpus text_of(const std::vector<GeneratedPair>& pairs) {
  ParallelCorpus text;
  for (const GeneratedPair& pair : pairs) {
    text.source.push_back(pair.source);
    text.target.push_back(pair.target);
  }
  return text;
}

double bleu_of(const std::vector<std::string>& outputs, const std::vector<GeneratedPair>& pairs) {
  const ParallelCorpus text = text_of(pairs);
  return bleu(outputs, std::span(&text.target, 1), {.tokenization = Tokenization::none}).score;
}

std::vector<Translation> translate_test(const Demo& demo, const LoadedModel& loaded, const TranslateOptions& options) {
  const ParallelCorpus test = text_of(demo.corpus.test);
  auto translations = Translator(*loaded.model, *loaded.tokenizers.source, *loaded.tokenizers.target)
                          .translate(test.source, options, [](int64_t done, int64_t total) {
                            show_progress(fmt::format("translating: {} of {} sentences", done, total));
                          });
  show_progress("");
  return translations;
}

void show_examples(const Demo& demo, const std::vector<Translation>& translations) {
  const int width = std::min(terminal_width(Stream::output), 120);
  for (int i = 0; i < sentences_shown; ++i) {
    const auto at = static_cast<size_t>(i);
    const Candidate& best = translations[at].candidates.front();
    print("{}{}", i == 0 ? "" : "\n",
          show_sentence({i + 1, demo.corpus.test[at].source, best.text, demo.corpus.test[at].target, best.alignment},
                        width));
  }
  flush_output();
}

// The model reads source and reference and says which source word it looks at before each reference word.
double alignment_error(const Demo& demo, const LoadedModel& loaded) {
  const EncodedPairs pairs = encode_words(text_of(demo.corpus.test), loaded.tokenizers);
  std::vector<GoldAlignment> gold;
  for (const GeneratedPair& pair : demo.corpus.test) {
    gold.push_back({gold_links(pair), gold_links(pair)});
  }
  return alignment_error_rate(align_words(*loaded.model, pairs.examples, pairs.words, {}), gold).error_rate;
}

// The longest of the sentences shown that fits a page.
void draw_attention(const Demo& demo, const LoadedModel& loaded, const std::string& path) {
  constexpr size_t longest = 20;  // words
  const GeneratedPair* chosen = &demo.corpus.test.front();
  for (const GeneratedPair& pair : std::span(demo.corpus.test).first(sentences_shown)) {
    const size_t words = split_whitespace(pair.source).size();
    chosen = words <= longest && words > split_whitespace(chosen->source).size() ? &pair : chosen;
  }
  const EncodedPairs pairs = encode_words(text_of({*chosen}), loaded.tokenizers);
  AttentionPicture picture;
  for (const std::string_view word : split_whitespace(chosen->source)) {
    picture.source.emplace_back(word);
  }
  for (const std::string_view word : split_whitespace(chosen->target)) {
    picture.output.emplace_back(word);
  }
  picture.attention = attend_words(*loaded.model, pairs.examples, pairs.words, {}).front();
  picture.gold = gold_links(*chosen);
  write_file_atomically(path, draw(picture));
}

// The first sentences shown: as the model translates them, and what it looks at in their references, beside the gold.
void write_report(const Demo& demo, const LoadedModel& loaded, const std::string& path) {
  constexpr size_t sentences = 3;
  InspectOptions options;
  options.search.n_best = options.search.beam_size;
  Inspection inspection = inspection_of(*loaded.model, demo.path("model"), options);
  for (const GeneratedPair& pair : std::span(demo.corpus.test).first(sentences)) {
    inspection.sentences.push_back(inspect(loaded, {pair.source, {}, {}}, options));
    inspection.sentences.push_back(
        inspect(loaded, {pair.source, pair.target, GoldAlignment{gold_links(pair), gold_links(pair)}}, options));
  }
  write_file_atomically(path, to_html({{std::move(inspection)}, false}));
}

double dictionary_bleu(const Demo& demo) {
  const auto dictionary = grammar_dictionary(demo.corpus.train);
  std::vector<std::string> outputs;
  for (const GeneratedPair& pair : demo.corpus.test) {
    outputs.push_back(translate_word_by_word(pair.source, dictionary));
  }
  return bleu_of(outputs, demo.corpus.test);
}

void show_next_commands(const Demo& demo) {
  const std::string model = demo.path("model");
  print(
      "\nTry next:\n"
      "  echo \"{}\" | build/attune translate --model {} --alignment\n"
      "  head -3 {} | build/attune inspect --model {} --output inspect.html\n"
      "  build/attune translate --model {} < {} | build/attune evaluate --reference {} --tokenize none\n"
      "  build/attune describe --model {}\n",
      demo.corpus.test[sentences_shown].source, model, demo.path("test.en"), model, model, demo.path("test.en"),
      demo.path("test.vi"), model);
}

int run_demo(Demo& demo) {
  const Stopwatch watch;
  make_corpus(demo);

  heading(2, "Training a Transformer on it (Ctrl-C stops; the same command goes on)");
  if (train_model(demo, "model", "scaled_dot", updates).interrupted) {
    print("   Stopped and saved. The same command goes on from here.\n");
    return InterruptGuard::exit_code();
  }

  heading(3, fmt::format("{} sentences it has never seen, and which source word each output word looked at most",
                         sentences_shown));
  const LoadedModel loaded = load_model(demo.path("model"));
  TranslateOptions search;
  search.alignment = true;
  const std::vector<Translation> translations = translate_test(demo, loaded, search);
  show_examples(demo, translations);
  const double model_bleu = bleu_of(texts_of(translations), demo.corpus.test);
  const double error_rate = alignment_error(demo, loaded);
  const std::string picture = demo.path("attention.svg");
  draw_attention(demo, loaded, picture);
  print("\n   {}: one of them as a picture, the grammar's own links outlined.\n", picture);

  heading(4, "The same model without attention to the source: its decoder sees only the mean of all source words");
  if (train_model(demo, "mean", "mean", updates).interrupted) {
    print("   Stopped and saved. The same command goes on from here.\n");
    return InterruptGuard::exit_code();
  }
  const LoadedModel mean = load_model(demo.path("mean"));
  const double mean_bleu =
      translation_bleu(*mean.model, mean.tokenizers, text_of(demo.corpus.test), search.search, "translating").score;

  heading(5, fmt::format("The figures, on {} held-out sentences", demo.corpus.test.size()));
  print(show_figures({{"BLEU of the Transformer", fmt::format("{:.1f}", model_bleu), "words as they are (tok:none)"},
                      {"BLEU of a word-by-word dictionary", fmt::format("{:.1f}", dictionary_bleu(demo)),
                       "each word's most frequent translation"},
                      {"BLEU without attention to the source", fmt::format("{:.1f}", mean_bleu), "cross-mixer = mean"},
                      {"alignment error rate", fmt::format("{:.1f} %", 100 * error_rate),
                       "of the attention, against the grammar's own links"},
                      {"time", duration(watch.seconds()), "in this call"}}));
  print("  The search: {}.\n", describe(search.search));
  const std::string report = demo.path("report.html");
  write_report(demo, loaded, report);
  print("\n{}: open it in a browser to see every number of the model's attention. It needs no network.\n", report);
  show_next_commands(demo);
  return success;
}

}  // namespace

int demo(const Arguments& arguments) {
  Demo demo;
  demo.directory = "demo";
  OptionTable table(about);
  table.add("directory", &demo.directory, "where corpus and models go", {1, 1, "DIR"});
  table.add("threads", &demo.threads, "0: all cores this process may use");
  if (table.parse(arguments) == OptionTable::Outcome::help) {
    return success;
  }
  use_threads(demo.threads);
  check_usage(!demo.directory.empty(), "--directory is empty");
  return run_demo(demo);
}

}  // namespace attune::cli
