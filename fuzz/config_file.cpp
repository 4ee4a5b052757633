// The program's config files (a part of TOML), each value then read as every type an option can have.
#include "attune/cli/config_file.h"

#include "attune/cli/option_value.h"
#include "memory_file.h"
#include "target.h"

using namespace attune;

namespace {

template <class Value>
void read_as(const cli::ConfigItem& item) {
  Value value{};
  fuzz::accepts([&] { cli::read_value(&value, item.values, item.where); });
  cli::text_of(&value);
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  std::vector<cli::ConfigItem> items;
  const bool parsed = fuzz::accepts([&] { items = cli::parse_config(std::string(text), "a.toml"); });
  for (const cli::ConfigItem& item : items) {
    fuzz::must(!item.key.empty() && (item.is_list || item.values.size() == 1), "an item has a key and a value");
    read_as<int>(item);
    read_as<int64_t>(item);
    read_as<uint64_t>(item);
    read_as<double>(item);
    read_as<bool>(item);
    read_as<std::string>(item);
    read_as<std::vector<std::string>>(item);
  }
  // From a file: the lines' encoding and endings are looked at too.
  const fuzz::MemoryFile file(text);
  std::vector<cli::ConfigItem> from_file;
  if (fuzz::accepts([&] { from_file = cli::read_config_file(file.path()); }) && parsed) {
    fuzz::must(from_file.size() == items.size(), "a file has the items of its text");
  }
  return 0;
}
