// manifest.json of a checkpoint: what its files are, with sizes and CRC-32.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace attune {

struct Manifest {
  struct File {
    uint64_t size = 0;
    uint32_t crc32 = 0;  // zlib's
  };
  int64_t update = 0;
  bool whole = true;      // false: the weights alone
  bool scheduled = true;  // TrainState::scheduled
  std::map<std::string, File> files;
};

Manifest::File describe_file(const std::string& path);
void write_manifest(const std::string& directory, const Manifest& manifest);
Manifest read_manifest(const std::string& directory);
Manifest parse_manifest(std::string_view text, const std::string& where);  // where: for messages
// Throws naming the first file that is missing or differs.
void verify_files(const std::string& directory, const Manifest& manifest);

}  // namespace attune
