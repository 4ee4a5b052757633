#include "attune/train/objective.h"

namespace attune {

std::map<std::string, std::string> identity_of(std::string_view things, int64_t count, const Checksum& checksum) {
  const std::string key = "training " + std::string(things);
  return {{key, std::to_string(count)}, {key + "' checksum", std::to_string(checksum.value())}};
}

}  // namespace attune
