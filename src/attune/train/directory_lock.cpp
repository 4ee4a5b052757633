#include "attune/train/directory_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "attune/base/check.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

// " (process 1234)", as its holder wrote it.
std::string holder(int file) {
  std::array<char, 24> text{};
  const ssize_t got = ::pread(file, text.data(), text.size() - 1, 0);
  return got > 0 ? " (process " + std::string(text.data(), static_cast<size_t>(got)) + ")" : std::string();
}

// False when the file was removed after it was opened: its holder ended in between.
bool is_at(const std::string& path, int file) {
  struct stat opened {
  }, there{};
  return ::fstat(file, &opened) == 0 && ::stat(path.c_str(), &there) == 0 && opened.st_ino == there.st_ino &&
         opened.st_dev == there.st_dev;
}

}  // namespace

DirectoryLock::Directories::Directories(const std::string& wanted) {
  std::error_code error;
  for (fs::path path = fs::absolute(wanted).lexically_normal(); !fs::exists(path, error) && path.has_relative_path();
       path = path.parent_path()) {
    if (path.has_filename()) {
      made.push_back(path);
    }
  }
  error.clear();
  fs::create_directories(wanted, error);
  check(!error && fs::is_directory(wanted), wanted,
        ": expected a directory for the model, or a place to make it: ", error ? error.message() : "this is a file");
}

DirectoryLock::Directories::~Directories() {
  std::error_code ignored;
  for (const fs::path& path : made) {
    fs::remove(path, ignored);  // only when it is empty
  }
}

DirectoryLock::DirectoryLock(const std::string& directory) : directories_(directory), path_(directory + "/train.lock") {
  for (;;) {
    file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    check(file_ >= 0, directory, ": the model cannot be saved there: ", std::strerror(errno));
    // Other failures than this one: a file system without locks, where nothing can be held.
    if (::flock(file_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      const std::string who = holder(file_);
      ::close(file_);
      fail(directory, ": another training", who,
           " works in this directory; wait for it, stop it, or train into another directory");
    }
    if (is_at(path_, file_)) {
      break;
    }
    ::close(file_);
  }
  const std::string process = std::to_string(::getpid());
  if (::ftruncate(file_, 0) == 0) {
    [[maybe_unused]] const ssize_t written = ::write(file_, process.data(), process.size());  // only for the message
  }
}

DirectoryLock::~DirectoryLock() {
  ::unlink(path_.c_str());
  ::close(file_);
}

}  // namespace attune
