// The safetensors format: 8 bytes little-endian header length, a JSON header {name: {dtype, shape, data_offsets}}, then
// the elements, little-endian, row by row. The reader refuses whatever is not exactly that (holes, overlaps, trailing
// bytes, duplicate names, sizes that do not match) before it allocates anything by a number the file claims; the writer
// is deterministic: equal tensors give equal bytes. The file is replaced whole or not at all (atomic_file.h).
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "attune/tensor/tensor.h"

namespace attune {

// Strided tensors are written in row order. Throws on equal names.
void write_safetensors(const std::string& path, std::span<const std::pair<std::string, Tensor>> tensors,
                       const std::map<std::string, std::string>& metadata = {});

// F64, F32, BF16, I32 and BOOL; others are refused by name.
std::map<std::string, Tensor> read_safetensors(const std::string& path,
                                               std::map<std::string, std::string>* metadata = nullptr);

// The same from memory; `where` stands for the path in messages.
std::map<std::string, Tensor> read_safetensors_bytes(std::string_view bytes, const std::string& where,
                                                     std::map<std::string, std::string>* metadata = nullptr);

// What a file holds, without reading the elements.
struct TensorInfo {
  DType dtype = DType::float32;
  Shape shape;
};
std::map<std::string, TensorInfo> read_safetensors_header(const std::string& path,
                                                          std::map<std::string, std::string>* metadata = nullptr);

}  // namespace attune
