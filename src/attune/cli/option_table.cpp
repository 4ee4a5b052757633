#include "attune/cli/option_table.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "attune/base/check.h"
#include "attune/base/parallel.h"
#include "attune/cli/console.h"
#include "attune/cli/option_value.h"
#include "attune/cli/suggest.h"
#include "attune/decode/translator.h"
#include "attune/models/architecture.h"
#include "attune/train/options.h"

namespace attune::cli {

namespace {

// One config file serves several commands: what another command reads is no mistake.
std::vector<std::string> keys_of_all_commands() {
  std::vector<std::string> keys{"train", "valid", "test"};
  const auto keep = [&](const char* key, const auto&, const char*) { keys.emplace_back(key); };
  const ModelConfig model;
  const TrainOptions training;
  const TranslateOptions translation;
  ModelConfig::visit(model, keep);
  TrainOptions::visit(training, keep);
  TranslateOptions::visit(translation, keep);
  return keys;
}

constexpr std::string_view environment_prefix = "ATTUNE_";

std::string environment_name(const std::string& key) {
  std::string name(environment_prefix);
  for (const char c : key) {
    name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

bool is_switch(const OptionTable::Field& field) {
  return std::holds_alternative<bool*>(field);
}

// The words of `text` in lines of at most `width`, all but the first one indented.
std::string wrapped(const std::string& text, int indent, int width) {
  std::string result;
  int column = indent;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    const int length = static_cast<int>(end - begin);
    if (column > indent && column + 1 + length > width) {
      result += "\n" + std::string(static_cast<size_t>(indent), ' ');
      column = indent;
    }
    if (column > indent) {
      result += ' ';
      ++column;
    }
    result.append(text, begin, end - begin);
    column += length;
    begin = end + 1;
  }
  return result;
}

}  // namespace

void OptionTable::section(const std::string& title) {
  sections_.push_back(title);
}

void OptionTable::add(const std::string& key, Field field, const std::string& help) {
  add(key, field, help, {1, 1, ""});
}

void OptionTable::add(const std::string& key, Field field, const std::string& help, const ListOptions& list) {
  options_.push_back({key, help, text_of(field), field, list, sections_.size() - 1});
}

void OptionTable::add_config_file() {
  add("config", &config_path_, "settings, as lines of key = value; flags take precedence", {1, 1, "FILE"});
}

void OptionTable::add_model(ModelConfig& config) {
  section("The model");
  add_all(config);
  model_ = &config;
}

const OptionTable::Option* OptionTable::find(const std::string& key) const {
  const auto found = std::find_if(options_.begin(), options_.end(), [&](const Option& o) { return o.key == key; });
  return found == options_.end() ? nullptr : &*found;
}

std::vector<std::string> OptionTable::keys() const {
  std::vector<std::string> keys;
  for (const Option& option : options_) {
    keys.push_back(option.key);
  }
  return keys;
}

void OptionTable::set(const Option& option, const std::vector<std::string>& values, const std::string& origin) {
  if (std::holds_alternative<std::vector<std::string>*>(option.field)) {
    const int count = static_cast<int>(values.size());
    const std::string expected = option.list.least == option.list.most
                                     ? std::to_string(option.list.least)
                                     : std::to_string(option.list.least) + " to " + std::to_string(option.list.most);
    check_usage(count >= option.list.least && count <= option.list.most, origin, ": expected ", expected, " values (",
                option.list.placeholder, "), got ", count);
  }
  read_value(option.field, values, origin);
  origins_[option.key] = origin;
}

void OptionTable::refuse_extras(const std::vector<std::string>& extras) const {
  for (const std::string& extra : extras) {
    const bool flag = extra.size() > 1 && extra[0] == '-';
    const std::string word = extra.substr(std::min(extra.find_first_not_of('-'), extra.size()));
    const std::string name = word.substr(0, word.find('='));
    const std::string otherwise = "; attune " + about_.command + " --help lists the flags";
    check_usage(!flag, "unknown flag ", extra.substr(0, extra.find('=')), suggestion(name, keys(), "--", otherwise));
    check_usage(extra != "true" && extra != "false", "unexpected argument \"", extra,
                "\"; a switch takes its value after =, as in --lowercase=false");
    check_usage(false, "unexpected argument \"", extra, "\"", otherwise);
  }
}

// "--key=" gives an empty value; CLI11 would take the next argument for it.
Arguments OptionTable::with_empty_values(const Arguments& arguments) const {
  Arguments words;
  for (const std::string& word : arguments) {
    const Option* option =
        word.starts_with("--") && word.ends_with('=') ? find(word.substr(2, word.size() - 3)) : nullptr;
    if (option != nullptr && !is_switch(option->field)) {
      words.insert(words.end(), {word.substr(0, word.size() - 1), ""});
    } else {
      words.push_back(word);
    }
  }
  return words;
}

std::map<std::string, std::vector<std::string>> OptionTable::read_flags(const Arguments& arguments) const {
  CLI::App app;
  app.set_help_flag("");
  app.allow_extras();
  std::vector<std::pair<std::string, CLI::Option*>> added;
  for (const Option& option : options_) {
    const std::string flag = "--" + option.key;
    CLI::Option* entry = is_switch(option.field) ? app.add_flag(flag) : app.add_option(flag);
    if (std::holds_alternative<std::vector<std::string>*>(option.field)) {
      entry->expected(1, option.list.most)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    } else {
      entry->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    }
    added.emplace_back(option.key, entry);
  }
  try {
    std::vector<std::string> words = with_empty_values(arguments);
    std::reverse(words.begin(), words.end());
    app.parse(std::move(words));
  } catch (const CLI::ParseError& error) {  // what is left for it to find is a flag at the end without its value
    const std::string message = error.what();
    check_usage(false, message.substr(0, message.find(':')), ": expected a value after it, got none");
  }
  std::vector<std::string> extras = app.remaining();
  if (positional_ != nullptr && !extras.empty() && !extras.front().starts_with("--")) {
    positional_->push_back(extras.front());
    extras.erase(extras.begin());
  }
  refuse_extras(extras);
  std::map<std::string, std::vector<std::string>> values;
  for (const auto& [key, entry] : added) {
    if (entry->count() > 0) {
      values[key] = find(key)->list.most > 1 ? entry->results() : std::vector{entry->results().back()};
    }
  }
  return values;
}

void OptionTable::apply_config(const std::vector<ConfigItem>& items) {
  const std::vector<std::string> everywhere = keys_of_all_commands();
  for (const ConfigItem& item : items) {
    const Option* option = find(item.key);
    const bool elsewhere = std::find(everywhere.begin(), everywhere.end(), item.key) != everywhere.end();
    if (option == nullptr || item.key == "config") {
      std::vector<std::string> known = keys();
      known.insert(known.end(), everywhere.begin(), everywhere.end());
      check_usage(elsewhere, item.where, ": unknown key \"", item.key, "\"",
                  suggestion(item.key, known, "", "; attune train --help lists the keys"));
      continue;
    }
    set(*option, item.values, item.where + ": " + item.key);
  }
}

void OptionTable::apply_environment() {
  for (const Option& option : options_) {
    const std::string name = environment_name(option.key);
    const char* value = option.key == "config" ? nullptr : std::getenv(name.c_str());
    if (value != nullptr) {
      set(option, {value}, name + " (environment)");
    }
  }
}

void OptionTable::apply(const std::vector<ConfigItem>& config,
                        const std::map<std::string, std::vector<std::string>>& flags) {
  apply_config(config);
  apply_environment();
  for (const auto& [key, values] : flags) {
    set(*find(key), values, "--" + key);
  }
  if (model_ != nullptr) {  // language-model means language_model
    std::replace(model_->task.begin(), model_->task.end(), '-', '_');
  }
}

// Not refused: others may use the prefix too.
void OptionTable::warn_of_misspelt_environment() const {
  std::vector<std::string> known;
  for (const auto& keys_of : {keys(), keys_of_all_commands()}) {
    for (const std::string& key : keys_of) {
      known.push_back(environment_name(key).substr(environment_prefix.size()));
    }
  }
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry, name = text.substr(0, text.find('='));
    if (!name.starts_with(environment_prefix)) {
      continue;
    }
    const std::string_view word = name.substr(environment_prefix.size());
    const std::string meant = nearest(word, known);
    if (!meant.empty() && std::find(known.begin(), known.end(), word) == known.end()) {
      warn("{} (environment) is no setting; did you mean {}{}?", name, environment_prefix, meant);
    }
  }
}

OptionTable::Outcome OptionTable::parse(const Arguments& arguments, const std::optional<std::string>& config) {
  for (const std::string& argument : arguments) {
    if (argument == "--help" || argument == "-h") {
      print(help(std::min(terminal_width(Stream::output), 110)));
      return Outcome::help;
    }
  }
  const auto flags = read_flags(arguments);
  const auto flag = flags.find("config");
  const char* named = find("config") != nullptr ? std::getenv("ATTUNE_CONFIG") : nullptr;
  const std::string path = flag != flags.end() ? flag->second.back() : named != nullptr ? named : config.value_or("");
  // Read once: it may be a pipe.
  const std::vector<ConfigItem> items = path.empty() ? std::vector<ConfigItem>{} : read_config_file(path);
  apply(items, flags);
  warn_of_misspelt_environment();
  if (model_ != nullptr && (given("architecture") || given("task"))) {
    *model_ = defaults_of(model_->architecture, model_->task);
    apply(items, flags);  // again, over its defaults
  }
  if (model_ != nullptr) {
    for (const auto& [key, origin] : origins_) {
      check_key(*model_, key, origin);
    }
  }
  return Outcome::run;
}

std::string OptionTable::given_besides(const std::vector<std::string>& allowed) const {
  for (const auto& [key, origin] : origins_) {
    if (std::find(allowed.begin(), allowed.end(), key) == allowed.end()) {
      return origin;
    }
  }
  return {};
}

std::string OptionTable::help(int width) const {
  constexpr int indent = 6;
  const std::string usage = "Usage: attune " + about_.command + " ";
  std::string text = usage + wrapped(about_.usage, static_cast<int>(usage.size()), width) + "\n\n" +
                     wrapped(about_.purpose, 0, width) + "\n\nExample:\n" + about_.examples;
  for (size_t section = 0; section < sections_.size(); ++section) {
    text += "\n" + sections_[section] + ":\n";
    for (const Option& option : options_) {
      if (option.section != section) {
        continue;
      }
      const std::string placeholder = placeholder_of(option.field, option.list);
      std::string explained = option.help;
      if (!option.default_text.empty() && option.default_text != "false") {
        explained += " (default " + option.default_text + ")";
      }
      text += "  --" + option.key + (placeholder.empty() ? "" : " " + placeholder) + "\n" + std::string(indent, ' ') +
              wrapped(explained, indent, width) + "\n";
    }
  }
  return text + "\n" +
         wrapped(
             "Every flag can also be set in the environment (--batch-size: ATTUNE_BATCH_SIZE); a flag wins over the "
             "environment, and that over a config file. A switch is set by --key and unset by --key=false.",
             0, width) +
         "\n";
}

bool wants_json(const std::string& format, const std::string& flag) {
  check_usage(format == "text" || format == "json", flag, ": expected text or json, got \"", format, "\"");
  return format == "json";
}

void use_threads(int count) {
  check_usage(count >= 0 && count <= 4096, "--threads: expected 0 (all cores) to 4096, got ", count);
  set_threads(count);
}

}  // namespace attune::cli
