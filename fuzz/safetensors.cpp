// The safetensors reader: whatever is accepted fills its input exactly, and reads the same through a path.
#include "attune/tensor/safetensors.h"

#include "memory_file.h"
#include "target.h"

using namespace attune;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes = fuzz::text_of(data, size);
  std::map<std::string, std::string> metadata;
  std::map<std::string, Tensor> tensors;
  const bool accepted = fuzz::accepts([&] { tensors = read_safetensors_bytes(bytes, "bytes", &metadata); });
  if (!accepted) {
    return 0;
  }
  int64_t held = 0;
  for (const auto& [name, tensor] : tensors) {
    held += tensor.elements() * bytes_of(tensor.dtype());
    fuzz::must(tensor.contiguous() && tensor.rank() <= Shape::max_rank, "tensors are whole");
  }
  fuzz::must(held <= static_cast<int64_t>(size), "no more elements than bytes");
  const fuzz::MemoryFile file(bytes);
  fuzz::must(read_safetensors(file.path()).size() == tensors.size(), "a file reads as its bytes do");
  fuzz::must(read_safetensors_header(file.path()).size() == tensors.size(), "the header lists every tensor");
  return 0;
}
