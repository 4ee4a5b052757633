// Runs the built program as a user does, through the shell, in a directory of its own.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace attune::testing {

struct Ran {
  int code = -1;
  std::string out, err;
};

class Workplace {
 public:
  Workplace() {
    std::string name = (std::filesystem::temp_directory_path() / "attune-test-XXXXXX").string();
    directory_ = mkdtemp(name.data());
  }
  ~Workplace() {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;

  std::string path(const std::string& name) const { return (directory_ / name).string(); }
  void write(const std::string& name, const std::string& content) const {
    std::ofstream(path(name), std::ios::binary) << content;
  }
  std::string read(const std::string& name) const {
    std::ifstream file(path(name), std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }

  // `command` stands behind the program's name; it may redirect standard input or name files of this directory.
  Ran run(const std::string& command, const std::string& before = "") const {
    return shell(before + " " ATTUNE_PROGRAM " " + command);
  }
  Ran shell(const std::string& line) const {
    const std::string all = "cd " + directory_.string() + " && { " + line + " ; } >stdout.txt 2>stderr.txt </dev/null";
    const int status = std::system(all.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read("stdout.txt"), read("stderr.txt")};
  }

 private:
  std::filesystem::path directory_;
};

// A suite whose tests share one directory, there before the first of them and gone behind the last.
template <class Place>
class InOnePlace : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { place = std::make_unique<Place>(); }
  static void TearDownTestSuite() { place.reset(); }

  inline static std::unique_ptr<Place> place;
};

inline std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) {
    lines.push_back(line);
  }
  return lines;
}

// An idx file of unsigned bytes.
inline std::string idx_file(const std::vector<int>& sizes, const std::string& bytes) {
  std::string file{'\0', '\0', '\x08', static_cast<char>(sizes.size())};
  for (const int size : sizes) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      file += static_cast<char>(size >> shift);
    }
  }
  return file + bytes;
}

}  // namespace attune::testing
