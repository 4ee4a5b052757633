// The flags of one command. An option's value comes from the command line, else from the environment (--batch-tokens:
// ATTUNE_BATCH_TOKENS), else from the config file, else it keeps the default it had when it was added. Every value is
// read by the same code whichever way it came, so that every mistake has the same message.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "attune/cli/command.h"
#include "attune/cli/config_file.h"
#include "attune/models/config.h"

namespace attune::cli {

struct About {
  std::string command;   // "evaluate"
  std::string usage;     // "--reference FILE... [options] < hypotheses"
  std::string purpose;   // a sentence or two
  std::string examples;  // lines that work when pasted
};

struct ListOptions {
  int least = 1, most = 1;  // values
  std::string placeholder = "FILE";
};

class OptionTable {
 public:
  using Field = std::variant<int*, int64_t*, uint64_t*, double*, bool*, std::string*, std::vector<std::string>*>;

  explicit OptionTable(About about) : about_(std::move(about)) {}

  // What follows stands under this title in the help.
  void section(const std::string& title);
  void add(const std::string& key, Field field, const std::string& help);
  void add(const std::string& key, Field field, const std::string& help, const ListOptions& list);
  // Every key of a struct with a static visit(self, each(key, field, help)).
  template <class Options>
  void add_all(Options& options) {
    Options::visit(options, [this](const char* key, auto& field, const char* help) { this->add(key, &field, help); });
  }
  void add_config_file();  // --config
  // What stands without a flag in front; at most one, no default.
  void add_positional(std::vector<std::string>* words) { positional_ = words; }
  // The keys of a model, in a section of their own. Architecture and task that are given, wherever they stand, bring
  // their defaults before all other values; a key that means nothing to one of them is refused.
  void add_model(ModelConfig& config);

  enum class Outcome : uint8_t { run, help };
  // help: it was asked for and has been printed. Throws a UsageError naming the option and where its value came from.
  // `config`: a file to read as --config would, for a command that goes through several and so has no --config.
  Outcome parse(const Arguments& arguments, const std::optional<std::string>& config = {});

  bool given(const std::string& key) const { return origins_.count(key) == 1; }
  // The first of the given options that is none of `allowed`; empty when there is none.
  std::string given_besides(const std::vector<std::string>& allowed) const;
  std::string help(int width) const;

 private:
  struct Option {
    std::string key, help, default_text;
    Field field;
    ListOptions list;
    size_t section;
  };

  const Option* find(const std::string& key) const;
  std::vector<std::string> keys() const;
  std::map<std::string, std::vector<std::string>> read_flags(const Arguments& arguments) const;
  Arguments with_empty_values(const Arguments& arguments) const;
  void refuse_extras(const std::vector<std::string>& extras) const;
  void apply_config(const std::vector<ConfigItem>& items);
  void apply_environment();
  void apply(const std::vector<ConfigItem>& config, const std::map<std::string, std::vector<std::string>>& flags);
  void warn_of_misspelt_environment() const;
  void set(const Option& option, const std::vector<std::string>& values, const std::string& origin);

  About about_;
  std::vector<std::string> sections_{"Options"};
  std::vector<Option> options_;
  std::map<std::string, std::string> origins_;  // key -> where its value came from
  std::string config_path_;
  ModelConfig* model_ = nullptr;  // of add_model
  std::vector<std::string>* positional_ = nullptr;
};

// --format text|json, or another flag of this kind
bool wants_json(const std::string& format, const std::string& flag = "--format");
// --threads; 0: all cores
void use_threads(int count);

}  // namespace attune::cli
