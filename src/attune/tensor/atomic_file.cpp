#include "attune/tensor/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "attune/base/check.h"

namespace attune {
namespace {

// Of the call before: never in one expression with it, where it might be asked first.
std::string reason() {
  return std::strerror(errno);
}

struct Descriptor {
  int file;
  ~Descriptor() { ::close(file); }
};

}  // namespace

AtomicFile::AtomicFile(const std::string& path) : path_(path), temporary_(path + ".tmp") {
  file_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  check(file_ >= 0, path_, ": cannot be written: ", reason(), "; check that its directory exists and is writable");
}

AtomicFile::~AtomicFile() {
  if (file_ >= 0) {
    ::close(file_);
    ::unlink(temporary_.c_str());
  }
}

void AtomicFile::write(const void* data, size_t bytes) {
  const char* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = ::write(file_, at, std::min(bytes, size_t{1} << 30));
    if (written < 0 && errno == EINTR) {
      continue;
    }
    check(written > 0, path_, ": writing failed: ", reason(), "; what was there before is unchanged");
    at += written;
    bytes -= static_cast<size_t>(written);
  }
}

void AtomicFile::commit() {
  const bool synchronised = ::fsync(file_) == 0;
  check(synchronised, path_, ": writing failed: ", reason(), "; what was there before is unchanged");
  const bool renamed = ::rename(temporary_.c_str(), path_.c_str()) == 0;
  check(renamed, path_, ": cannot be replaced: ", reason());
  ::close(file_);
  file_ = -1;
  const std::string parent = std::filesystem::path(path_).parent_path().string();
  sync_directory(parent.empty() ? "." : parent);
}

void write_file_atomically(const std::string& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

std::string read_file(const std::string& path, uint64_t limit) {
  const Descriptor input{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  check(input.file >= 0, path, ": cannot be read: ", reason());
  struct stat status {};
  check(::fstat(input.file, &status) == 0 && S_ISREG(status.st_mode), path, ": is not a regular file");
  const auto size = static_cast<uint64_t>(status.st_size);
  check(size <= limit, path, ": has ", size, " bytes, expected ", limit, " at most");
  std::string content(size, '\0');
  size_t have = 0;
  while (have < content.size()) {
    const ssize_t got = ::read(input.file, content.data() + have, content.size() - have);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    check(got >= 0, path, ": cannot be read: ", reason());
    check(got > 0, path, ": ended after ", have, " of ", size, " bytes; it is being changed by somebody else");
    have += static_cast<size_t>(got);
  }
  return content;
}

void sync_directory(const std::string& path) {
  const Descriptor directory{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  check(directory.file >= 0, path, ": cannot be opened: ", reason());
  // Some file systems have no fsync of directories and say EINVAL: nothing more can be done there.
  const bool synchronised = ::fsync(directory.file) == 0 || errno == EINVAL;
  check(synchronised, path, ": cannot be synchronised: ", reason());
}

}  // namespace attune
