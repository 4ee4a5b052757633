#include "attune/train/manifest.h"

#include <filesystem>
#include <fstream>
#include <vector>

#include "attune/base/checksum.h"
#include "attune/base/json.h"
#include "attune/tensor/atomic_file.h"

namespace attune {
namespace {
using Json = nlohmann::json;
constexpr int format = 1;
}  // namespace

Manifest::File describe_file(const std::string& path) {
  std::error_code error;
  check(std::filesystem::is_regular_file(path, error), path, ": is missing");
  std::ifstream file(path, std::ios::binary);
  check(file.good(), path, ": cannot be read");
  Manifest::File result;
  Checksum checksum;
  std::vector<char> block(1 << 20);
  while (file) {
    file.read(block.data(), static_cast<std::streamsize>(block.size()));
    const auto got = static_cast<size_t>(file.gcount());
    checksum.add(block.data(), got);
    result.size += got;
  }
  result.crc32 = checksum.value();
  check(!file.bad(), path, ": cannot be read");
  return result;
}

void write_manifest(const std::string& directory, const Manifest& manifest) {
  Json files = Json::object();
  for (const auto& [name, file] : manifest.files) {
    files[name] = {{"size", file.size}, {"crc32", file.crc32}};
  }
  const Json json = {{"format", format},
                     {"update", manifest.update},
                     {"whole", manifest.whole},
                     {"scheduled", manifest.scheduled},
                     {"files", files}};
  write_file_atomically(directory + "/manifest.json", json.dump(1) + "\n");
}

Manifest read_manifest(const std::string& directory) {
  const std::string path = directory + "/manifest.json";
  return parse_manifest(read_file(path, 1 << 20), path);
}

Manifest parse_manifest(std::string_view text, const std::string& where) {
  const Json json = parse_json_object(text, where, 3);
  const int found = read_value_of<int>(json, "format", where);
  check(found == format, where, ": format ", found, ", expected ", format);
  Manifest manifest;
  manifest.update = read_value_of<int64_t>(json, "update", where);
  manifest.whole = read_value_of<bool>(json, "whole", where);
  manifest.scheduled = read_value_of<bool>(json, "scheduled", where);
  check(json.contains("files") && json["files"].is_object(), where, ": files is missing or no object");
  for (const auto& [name, file] : json["files"].items()) {
    const std::string what = where + ": " + name;
    manifest.files[name] = {read_value_of<uint64_t>(file, "size", what), read_value_of<uint32_t>(file, "crc32", what)};
  }
  return manifest;
}

void verify_files(const std::string& directory, const Manifest& manifest) {
  for (const auto& [name, expected] : manifest.files) {
    const std::string path = directory + "/" + name;
    const Manifest::File found = describe_file(path);
    check(found.size == expected.size, path, ": has ", found.size, " bytes, the manifest says ", expected.size);
    check(found.crc32 == expected.crc32, path, ": its checksum differs from the manifest's");
  }
}

}  // namespace attune
