#include "attune/base/dtype.h"

#include "attune/base/check.h"

namespace attune {

std::string_view name_of(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return "float32";
    case DType::float64:
      return "float64";
    case DType::bfloat16:
      return "bfloat16";
    case DType::int32:
      return "int32";
    case DType::boolean:
      return "bool";
  }
  return "?";
}

DType dtype_of_name(std::string_view name) {
  for (DType dtype : {DType::float32, DType::float64, DType::bfloat16, DType::int32, DType::boolean}) {
    if (name == name_of(dtype)) {
      return dtype;
    }
  }
  fail("unknown dtype \"", name, "\", expected float32, float64, bfloat16, int32 or bool");
}

}  // namespace attune
