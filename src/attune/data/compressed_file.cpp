// zlib's gz functions read plain files as well, so there is one path for both.
#include "attune/data/compressed_file.h"

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "attune/base/check.h"

namespace attune {

struct CompressedFile::Handle {
  struct Close {
    void operator()(gzFile open) const { gzclose_r(open); }
  };
  std::unique_ptr<gzFile_s, Close> file;
};

CompressedFile::CompressedFile(const std::string& path, const char* expected)
    : handle_(std::make_unique<Handle>()), path_(path) {
  std::error_code ignored;
  check(std::filesystem::exists(path, ignored), path, ": no such file");
  check(!std::filesystem::is_directory(path, ignored), path, ": expected ", expected, ", got a directory");
  handle_->file.reset(gzopen(path.c_str(), "rb"));
  check(handle_->file != nullptr, path, ": cannot be opened: ", std::strerror(errno));
  gzbuffer(handle_->file.get(), 1 << 17);
}

CompressedFile::~CompressedFile() = default;
CompressedFile::CompressedFile(CompressedFile&&) noexcept = default;
CompressedFile& CompressedFile::operator=(CompressedFile&&) noexcept = default;

size_t CompressedFile::read(char* into, size_t bytes) {
  constexpr size_t most = 1 << 30;  // gzread counts in int
  const int got = gzread(handle_->file.get(), into, static_cast<unsigned>(std::min(bytes, most)));
  int code = Z_OK;
  const char* reason = gzerror(handle_->file.get(), &code);
  // A gzip file cut short reads well to its end and then says Z_BUF_ERROR.
  check(got >= 0 && code != Z_BUF_ERROR, path_, ": reading failed, the file is damaged or cut short (",
        code == Z_ERRNO ? std::strerror(errno) : reason, ")");
  return static_cast<size_t>(got);
}

}  // namespace attune
