// One training at a time in a model's directory: an advisory lock on a file there, which the kernel releases when the
// process ends, however it ends.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace attune {

class DirectoryLock {
 public:
  // Makes the directory where it is missing. Throws an Error when another training holds it, or when no file can be
  // written there.
  explicit DirectoryLock(const std::string& directory);
  ~DirectoryLock();  // also removes the directories that it made and that are still empty
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

 private:
  // A failed start leaves nothing behind. A member, so that it also acts when the constructor above throws.
  struct Directories {
    explicit Directories(const std::string& wanted);
    ~Directories();
    std::vector<std::filesystem::path> made;  // the innermost first
  };

  Directories directories_;
  std::string path_;
  int file_ = -1;
};

}  // namespace attune
