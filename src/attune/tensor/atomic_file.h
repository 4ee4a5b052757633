// Writing files so that a crash leaves the old file or the new one, never half of one: a temporary file beside the
// target, fsync, rename, fsync of the directory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace attune {

class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path);  // opens path.tmp; throws naming the path and the reason
  ~AtomicFile();                                 // removes the temporary file unless committed
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  void commit();

 private:
  std::string path_, temporary_;
  int file_ = -1;
};

void write_file_atomically(const std::string& path, std::string_view content);
// The whole file; throws when it is missing, no regular file or larger than `limit` bytes.
std::string read_file(const std::string& path, uint64_t limit = uint64_t{1} << 30);
// Makes a directory's entries (renames, new files) last through a crash of the machine.
void sync_directory(const std::string& path);

}  // namespace attune
