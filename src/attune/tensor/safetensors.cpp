#include "attune/tensor/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <set>
#include <sstream>
#include <vector>

#include "attune/base/json.h"
#include "attune/tensor/atomic_file.h"

namespace attune {
namespace {

static_assert(std::endian::native == std::endian::little, "the elements of safetensors files are little-endian");

using Json = nlohmann::json;

constexpr uint64_t largest_header = 100'000'000;
constexpr const char* metadata_key = "__metadata__";

std::string_view file_name_of(DType dtype) {
  switch (dtype) {
    case DType::float64:
      return "F64";
    case DType::float32:
      return "F32";
    case DType::bfloat16:
      return "BF16";
    case DType::int32:
      return "I32";
    case DType::boolean:
      return "BOOL";
  }
  return "";
}

DType dtype_of_file_name(const std::string& name, const std::string& where) {
  for (DType dtype : {DType::float64, DType::float32, DType::bfloat16, DType::int32, DType::boolean}) {
    if (file_name_of(dtype) == name) {
      return dtype;
    }
  }
  fail(where, ": dtype '", name, "' is not supported; known are F64, F32, BF16, I32, BOOL");
}

struct Entry {
  std::string name;
  DType dtype = DType::float32;
  Shape shape;
  uint64_t begin = 0, end = 0;  // in the buffer behind the header
};

struct Header {
  std::vector<Entry> entries;  // by position
  std::map<std::string, std::string> metadata;
  uint64_t buffer_at = 0;  // in the file
};

Json parse_header(const std::string& text, const std::string& path) {
  check(!text.empty() && text.front() == '{', path, ": the header does not start with '{'; not a safetensors file");
  return parse_json_object(text, path + ": the header", 3);
}

uint64_t whole_number(const Json& value, const std::string& where, const char* what) {
  check(value.is_number_unsigned(), where, ": ", what, " must be whole numbers from 0, got ", value.dump());
  return value.get<uint64_t>();
}

// The bytes of the elements; refuses what would overflow. A size of 0 does not excuse the others: strides are their
// products.
uint64_t parse_shape(const Json& sizes, const std::string& where, Entry& entry) {
  check(sizes.is_array() && sizes.size() <= Shape::max_rank, where, ": the shape must be a list of at most ",
        Shape::max_rank, " sizes");
  std::vector<int64_t> axes;
  uint64_t bytes = static_cast<uint64_t>(bytes_of(entry.dtype));
  bool empty = false;
  for (const Json& item : sizes) {
    const uint64_t size = whole_number(item, where, "sizes");
    check(size <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) &&
              !__builtin_mul_overflow(bytes, std::max<uint64_t>(size, 1), &bytes) &&
              bytes <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()),
          where, ": the shape ", sizes.dump(), " has more elements than can be addressed");
    axes.push_back(static_cast<int64_t>(size));
    empty = empty || size == 0;
  }
  entry.shape = Shape(std::span<const int64_t>(axes));
  return empty ? 0 : bytes;
}

Entry parse_entry(const std::string& name, const Json& value, const std::string& path) {
  const std::string where = path + ": tensor '" + name + "'";
  check(value.is_object() && value.size() == 3 && value.contains("dtype") && value.contains("shape") &&
            value.contains("data_offsets") && value["dtype"].is_string(),
        where, ": expected {dtype, shape, data_offsets}");
  Entry entry;
  entry.name = name;
  entry.dtype = dtype_of_file_name(value["dtype"].get<std::string>(), where);
  const uint64_t bytes = parse_shape(value["shape"], where, entry);
  const Json& offsets = value["data_offsets"];
  check(offsets.is_array() && offsets.size() == 2, where, ": data_offsets must be [begin, end]");
  entry.begin = whole_number(offsets[0], where, "data_offsets");
  entry.end = whole_number(offsets[1], where, "data_offsets");
  check(entry.begin <= entry.end && entry.end - entry.begin == bytes, where, ": ", name_of(entry.dtype), " ",
        entry.shape.text(), " takes ", bytes, " bytes, but data_offsets say ", offsets.dump());
  return entry;
}

void parse_metadata(const Json& value, const std::string& path, std::map<std::string, std::string>& metadata) {
  check(value.is_object(), path, ": ", metadata_key, " must be an object");
  for (const auto& [key, text] : value.items()) {
    check(text.is_string(), path, ": ", metadata_key, ": '", key, "' must be text");
    metadata[key] = text.get<std::string>();
  }
}

// Tensors must fill the buffer from the first byte to the last, one after another.
void check_coverage(const Header& header, uint64_t buffer_bytes, const std::string& path) {
  uint64_t end = 0;
  for (const Entry& entry : header.entries) {
    check(entry.begin == end, path, ": tensor '", entry.name, "' begins at byte ", entry.begin, " of the buffer, ",
          entry.begin < end ? "inside the one before it" : "leaving a hole", "; expected ", end,
          ", the end of the one before it");
    end = entry.end;
  }
  check(end == buffer_bytes, path, ": the tensors take ", end, " bytes, but the file holds ", buffer_bytes,
        end < buffer_bytes ? "; there are trailing bytes" : "; it is truncated");
}

// A file, or bytes in memory.
struct Source {
  std::istream& stream;
  uint64_t bytes;
  const std::string& path;
};

std::ifstream open_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::error_code error;
  check(std::filesystem::is_regular_file(path, error) && file.good(), path, ": cannot be read as a file",
        error ? ": " + error.message() : std::string());
  return file;
}

Header read_header(const Source& source) {
  const auto& [file, file_bytes, path] = source;
  std::array<unsigned char, 8> prefix{};
  check(file_bytes >= 8 && file.read(reinterpret_cast<char*>(prefix.data()), 8), path, ": has ", file_bytes,
        " bytes, too few for a safetensors file");
  uint64_t length = 0;
  std::memcpy(&length, prefix.data(), 8);
  check(length >= 2 && length <= largest_header && length <= file_bytes - 8, path, ": claims a header of ", length,
        " bytes; expected 2 to ", std::min(largest_header, file_bytes - 8), "; not a safetensors file, or truncated");
  std::string text(length, '\0');
  check(static_cast<bool>(file.read(text.data(), static_cast<std::streamsize>(length))), path,
        ": the header cannot be read");
  const Json json = parse_header(text, path);
  Header header;
  header.buffer_at = 8 + length;
  for (const auto& [name, value] : json.items()) {
    if (name == metadata_key) {
      parse_metadata(value, path, header.metadata);
    } else {
      header.entries.push_back(parse_entry(name, value, path));
    }
  }
  std::sort(header.entries.begin(), header.entries.end(),
            [](const Entry& a, const Entry& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
  check_coverage(header, file_bytes - header.buffer_at, path);
  return header;
}

std::map<std::string, Tensor> read_tensors(const Source& source, std::map<std::string, std::string>* metadata) {
  const auto& [file, file_bytes, path] = source;
  Header header = read_header(source);
  std::map<std::string, Tensor> tensors;
  for (const Entry& entry : header.entries) {
    Tensor tensor = Tensor::empty(entry.shape, entry.dtype);
    const auto bytes = static_cast<std::streamsize>(entry.end - entry.begin);
    char* into = reinterpret_cast<char*>(tensor.storage()->data());
    check(bytes == 0 || file.read(into, bytes), path, ": tensor '", entry.name, "' cannot be read");
    if (entry.dtype == DType::boolean) {
      check(std::all_of(into, into + bytes, [](char value) { return value == 0 || value == 1; }), path, ": tensor '",
            entry.name, "' is BOOL but has bytes other than 0 and 1");
    }
    tensors.emplace(entry.name, std::move(tensor));
  }
  if (metadata != nullptr) {
    *metadata = std::move(header.metadata);
  }
  return tensors;
}

// Largest elements first, so that each tensor is aligned for its type; then by name.
std::vector<std::pair<std::string, Tensor>> in_file_order(std::span<const std::pair<std::string, Tensor>> tensors,
                                                          const std::string& path) {
  std::vector<std::pair<std::string, Tensor>> sorted(tensors.begin(), tensors.end());
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return std::pair(-bytes_of(a.second.dtype()), a.first) < std::pair(-bytes_of(b.second.dtype()), b.first);
  });
  std::set<std::string> names;
  for (const auto& [name, tensor] : sorted) {
    check(tensor.allocated(), path, ": tensor '", name, "' has no elements to write");
    check(name != metadata_key && names.insert(name).second, path, ": a tensor named '", name, "' cannot be written ",
          name == metadata_key ? "(the name is reserved)" : "twice");
  }
  return sorted;
}

std::string header_text(std::span<const std::pair<std::string, Tensor>> sorted,
                        const std::map<std::string, std::string>& metadata, const std::string& path) {
  Json header = Json::object();
  if (!metadata.empty()) {
    header[metadata_key] = metadata;
  }
  uint64_t end = 0;
  for (const auto& [name, tensor] : sorted) {
    const uint64_t begin = end;
    end += static_cast<uint64_t>(tensor.elements() * bytes_of(tensor.dtype()));
    const auto sizes = tensor.shape().sizes();
    header[name] = {{"dtype", file_name_of(tensor.dtype())},
                    {"shape", std::vector<int64_t>(sizes.begin(), sizes.end())},
                    {"data_offsets", {begin, end}}};
  }
  try {
    std::string text = header.dump();
    text.resize((text.size() + 7) / 8 * 8, ' ');
    return text;
  } catch (const Json::exception& error) {
    fail(path, ": a name or value is not valid UTF-8: ", error.what());
  }
}

const std::byte* first_byte(const Tensor& tensor) {
  return tensor.storage()->data() + tensor.offset() * bytes_of(tensor.dtype());
}

}  // namespace

void write_safetensors(const std::string& path, std::span<const std::pair<std::string, Tensor>> tensors,
                       const std::map<std::string, std::string>& metadata) {
  const auto sorted = in_file_order(tensors, path);
  const std::string header = header_text(sorted, metadata, path);
  AtomicFile file(path);
  const uint64_t length = header.size();
  file.write(&length, 8);
  file.write(header);
  for (const auto& [name, tensor] : sorted) {
    const Tensor whole = tensor.compact();
    file.write(first_byte(whole), static_cast<size_t>(whole.elements() * bytes_of(whole.dtype())));
  }
  file.commit();
}

std::map<std::string, Tensor> read_safetensors(const std::string& path, std::map<std::string, std::string>* metadata) {
  std::ifstream file = open_file(path);
  return read_tensors({file, std::filesystem::file_size(path), path}, metadata);
}

std::map<std::string, Tensor> read_safetensors_bytes(std::string_view bytes, const std::string& where,
                                                     std::map<std::string, std::string>* metadata) {
  std::istringstream stream{std::string(bytes)};
  return read_tensors({stream, bytes.size(), where}, metadata);
}

std::map<std::string, TensorInfo> read_safetensors_header(const std::string& path,
                                                          std::map<std::string, std::string>* metadata) {
  std::ifstream file = open_file(path);
  Header header = read_header({file, std::filesystem::file_size(path), path});
  std::map<std::string, TensorInfo> infos;
  for (const Entry& entry : header.entries) {
    infos.emplace(entry.name, TensorInfo{entry.dtype, entry.shape});
  }
  if (metadata != nullptr) {
    *metadata = std::move(header.metadata);
  }
  return infos;
}

}  // namespace attune
