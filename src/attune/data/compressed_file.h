// Bytes of a file, plain or gzip (told by the content).
#pragma once

#include <cstddef>
#include <memory>
#include <string>

namespace attune {

class CompressedFile {
 public:
  // Throws when there is no such file, when it is a directory or cannot be opened. expected: "a text file", for the
  // message.
  CompressedFile(const std::string& path, const char* expected);
  ~CompressedFile();
  CompressedFile(CompressedFile&&) noexcept;
  CompressedFile& operator=(CompressedFile&&) noexcept;

  // Up to so many bytes; 0 at the end. Throws when the file is damaged or cut short.
  size_t read(char* into, size_t bytes);

 private:
  struct Handle;
  std::unique_ptr<Handle> handle_;
  std::string path_;
};

}  // namespace attune
