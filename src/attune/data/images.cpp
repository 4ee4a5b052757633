#include "attune/data/images.h"

#include <algorithm>
#include <limits>

#include "attune/base/check.h"
#include "attune/base/profile.h"
#include "attune/data/compressed_file.h"

namespace attune {
namespace {

constexpr int unsigned_bytes = 8;  // the type of idx's third byte

// Fewer bytes only at the end of the file.
size_t read_up_to(CompressedFile& file, std::vector<uint8_t>& into, size_t bytes) {
  size_t done = 0;
  while (done < bytes) {
    const size_t got = file.read(reinterpret_cast<char*>(into.data()) + done, bytes - done);
    if (got == 0) {
      break;
    }
    done += got;
  }
  return done;
}

struct Idx {
  std::vector<int> sizes;
  std::vector<uint8_t> bytes;
};

std::vector<int> read_header(CompressedFile& file, const std::string& path) {
  std::vector<uint8_t> word(4);
  const size_t got = read_up_to(file, word, 4);
  check(got == 4, path, ": expected the 4 bytes of an idx file's magic number, the file has ", got);
  check(word[0] == 0 && word[1] == 0, path, ": byte 0: expected an idx file (it begins with two zero bytes), got ",
        int{word[0]}, " and ", int{word[1]});
  check(word[2] == unsigned_bytes, path, ": byte 2: expected unsigned bytes (type 8) in an idx file, got type ",
        int{word[2]});
  std::vector<int> sizes(word[3]);
  for (size_t i = 0; i < sizes.size(); ++i) {
    const size_t offset = 4 * (i + 1);
    const size_t here = read_up_to(file, word, 4);
    check(here == 4, path, ": byte ", offset, ": expected the size of axis ", i, " of ", sizes.size(),
          ", the file ends after ", offset + here, " bytes");
    const uint32_t size = uint32_t{word[0]} << 24 | uint32_t{word[1]} << 16 | uint32_t{word[2]} << 8 | word[3];
    check(size >= 1 && size <= uint32_t{std::numeric_limits<int>::max()}, path, ": byte ", offset, ": axis ", i,
          " has size ", size, ", expected 1 to ", std::numeric_limits<int>::max());
    sizes[i] = static_cast<int>(size);
  }
  return sizes;
}

// The bytes behind the header, as many as the sizes say. What a header claims is not allocated before it is there.
std::vector<uint8_t> read_body(CompressedFile& file, const std::vector<int>& sizes, const std::string& path) {
  constexpr size_t most = size_t{1} << 40;
  constexpr size_t chunk = size_t{1} << 24;
  size_t expected = 1;
  for (const int size : sizes) {
    check(expected <= most / static_cast<size_t>(size), path, ": its sizes make more than ", most, " bytes");
    expected *= static_cast<size_t>(size);
  }
  const size_t header = 4 * (sizes.size() + 1);
  std::vector<uint8_t> bytes, part(std::min(chunk, expected));
  while (bytes.size() < expected) {
    const size_t got = read_up_to(file, part, std::min(chunk, expected - bytes.size()));
    check(got > 0, path, ": cut short: its header says ", expected, " bytes behind byte ", header, ", found ",
          bytes.size());
    bytes.insert(bytes.end(), part.begin(), part.begin() + static_cast<std::ptrdiff_t>(got));
  }
  check(read_up_to(file, part, 1) == 0, path, ": byte ", header + expected, ": its header says ", expected,
        " bytes behind byte ", header, ", but more follow");
  return bytes;
}

Idx read_idx(const std::string& path, const std::vector<size_t>& ranks, const char* what) {
  const ProfileScope scope("read_corpus");
  CompressedFile file(path, "an idx file");
  Idx idx;
  idx.sizes = read_header(file, path);
  check(std::find(ranks.begin(), ranks.end(), idx.sizes.size()) != ranks.end(), path, ": byte 3: expected ", what,
        ", got ", idx.sizes.size(), idx.sizes.size() == 1 ? " axis" : " axes");
  idx.bytes = read_body(file, idx.sizes, path);
  return idx;
}

}  // namespace

Images read_images(const std::string& path) {
  Idx idx = read_idx(path, {3, 4}, "images of 3 axes (image, row, column) or 4 (and channel)");
  Images images{idx.sizes[0], idx.sizes[1], idx.sizes[2], idx.sizes.size() == 4 ? idx.sizes[3] : 1, {}};
  images.pixels = std::move(idx.bytes);
  return images;
}

LabelledImages read_labelled_images(const std::string& images_path, const std::string& labels_path) {
  LabelledImages result{read_images(images_path), {}};
  const Idx labels = read_idx(labels_path, {1}, "labels of 1 axis");
  check(labels.bytes.size() == static_cast<size_t>(result.images.count), images_path, " has ", result.images.count,
        " images and ", labels_path, " has ", labels.bytes.size(), " labels; each image needs its label");
  for (const uint8_t label : labels.bytes) {
    result.labels.push_back(std::to_string(label));
  }
  return result;
}

std::vector<int> label_ids(const LabelledImages& images, const Labels& labels, const std::string& path) {
  std::vector<int> ids;
  for (size_t i = 0; i < images.labels.size(); ++i) {
    ids.push_back(labels.find(images.labels[i], path + ": image " + std::to_string(i)));
  }
  return ids;
}

}  // namespace attune
