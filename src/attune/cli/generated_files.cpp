#include "attune/cli/generated_files.h"

#include <filesystem>

#include "attune/base/check.h"
#include "attune/tensor/atomic_file.h"

namespace attune::cli {

void make_directory(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  check(!error && std::filesystem::is_directory(directory), directory,
        ": the directory cannot be made: ", error ? error.message() : "a file is in its place");
}

void write_pairs(const std::string& stem, const FileEndings& endings, const std::vector<GeneratedPair>& pairs) {
  std::string source, target, links;
  for (const GeneratedPair& pair : pairs) {
    source += pair.source + "\n";
    target += pair.target + "\n";
    links += to_pharaoh(gold_links(pair)) + "\n";
  }
  write_file_atomically(stem + "." + endings.source, source);
  write_file_atomically(stem + "." + endings.target, target);
  write_file_atomically(stem + ".align", links);
}

void write_columns(const std::string& path, const std::vector<GeneratedPair>& pairs) {
  std::string lines;
  for (const GeneratedPair& pair : pairs) {
    lines += pair.source + "\t" + pair.target + "\n";
  }
  write_file_atomically(path, lines);
}

Alignment gold_links(const GeneratedPair& pair) {
  Alignment links;
  for (const auto& [i, j] : pair.alignment) {
    links.push_back({i, j});
  }
  return links;
}

}  // namespace attune::cli
