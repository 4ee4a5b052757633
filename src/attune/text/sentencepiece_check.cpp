// The model is a protobuf message (sentencepiece_model.proto): pieces are field 1, {piece 1, score 2}; normaliser and
// denormaliser are fields 3 and 5, each with its table in field 2 (precompiled_charsmap).
#include "attune/text/sentencepiece_check.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "attune/base/check.h"
#include "attune/text/unicode.h"

namespace attune::detail {
namespace {

uint32_t u32_at(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) {
    value |= static_cast<uint32_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
  }
  return value;
}

// The fields of one protobuf message, one after another. Groups, which this format never had, count as damage.
class Message {
 public:
  Message(std::string_view bytes, const std::string& where) : rest_(bytes), where_(where) {}

  struct Field {
    uint64_t number = 0;
    std::string_view bytes;  // of a length-delimited or fixed field; empty for a varint
    bool delimited = false;
  };

  bool next(Field& field) {
    if (rest_.empty()) {
      return false;
    }
    const uint64_t key = varint();
    check(key <= 0xffffffffU, where_, ": not a SentencePiece model, or a damaged one: a field number of ", key >> 3);
    field = {.number = key >> 3, .bytes = {}, .delimited = (key & 7) == 2};
    switch (key & 7) {
      case 0:
        varint();
        return true;
      case 1:
        field.bytes = take(8);
        return true;
      case 2:
        field.bytes = take(varint());
        return true;
      case 5:
        field.bytes = take(4);
        return true;
      default:
        fail(where_, ": not a SentencePiece model, or a damaged one: a field of kind ", key & 7);
    }
  }

 private:
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1).front());
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) {
        return value;
      }
    }
    fail(where_, ": not a SentencePiece model, or a damaged one: a number without end");
  }

  std::string_view take(uint64_t count) {
    check(count <= rest_.size(), where_, ": not a SentencePiece model, or a damaged one: a field of ", count,
          " bytes where ", rest_.size(), " are left");
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

  std::string_view rest_;
  const std::string& where_;
};

void check_piece(std::string_view bytes, int64_t index, const std::string& where) {
  Message piece(bytes, where);
  for (Message::Field field; piece.next(field);) {
    if (field.number == 1 && field.delimited) {
      check(valid_utf8(field.bytes) && field.bytes.find('\0') == std::string_view::npos, where, ": piece ", index,
            " of the SentencePiece model is not UTF-8 text; the model is damaged");
    } else if (field.number == 2 && field.bytes.size() == 4 && !field.delimited) {
      check(std::isfinite(std::bit_cast<float>(u32_at(field.bytes, 0))), where, ": piece ", index,
            " of the SentencePiece model has a score that is not finite; the model is damaged");
    }
  }
}

// The table: the size of a double-array trie (Darts-clone), the trie, then the replacement texts, each ended by NUL. A
// trie's unit is 32 bits: bit 31 marks a value; else bits 0-7 are a label, bit 8 says that a value stands at the unit's
// target, and the rest is the offset to the target, shifted by 8 when bit 9 is set. A look-up goes from unit p to
// p ^ offset ^ (next byte) without asking for the size.
void check_table(std::string_view table, const std::string& where) {
  if (table.empty()) {
    return;  // the identity
  }
  const auto damaged = [&](const char* what) {
    fail(where, ": the normalisation table of the SentencePiece model is damaged: ", what);
  };
  const uint64_t trie_bytes = table.size() < 4 ? 0 : u32_at(table, 0);
  if (trie_bytes == 0 || trie_bytes % 1024 != 0 || trie_bytes + 4 >= table.size() || table.back() != '\0') {
    damaged("the sizes of its parts do not fit");
  }
  const std::string_view trie = table.substr(4, trie_bytes), texts = table.substr(4 + trie_bytes);
  const uint64_t units = trie_bytes / 4;  // whole blocks of 256
  for (uint64_t position = 0; position < units; ++position) {
    const uint32_t unit = u32_at(trie, position * 4);
    if ((unit >> 31) != 0 && position != 0) {
      continue;  // a value; but the look-up takes the first unit for what it should be, the root
    }
    const uint64_t target = position ^ (uint64_t{unit >> 10} << ((unit & 0x200U) >> 6));
    if (target >= units) {
      damaged("a unit of its trie points outside");
    }
    if ((unit & 0x100U) != 0 && (u32_at(trie, target * 4) & 0x7fffffffU) >= texts.size()) {
      damaged("a value of its trie lies outside the texts");
    }
  }
}

void check_normaliser(std::string_view bytes, const std::string& where) {
  Message spec(bytes, where);
  for (Message::Field field; spec.next(field);) {
    if (field.number == 2 && field.delimited) {
      check_table(field.bytes, where);
    }
  }
}

}  // namespace

void check_sentencepiece_model(std::string_view model, const std::string& where) {
  Message message(model, where);
  int64_t pieces = 0;
  for (Message::Field field; message.next(field);) {
    if (field.number == 1 && field.delimited) {
      check_piece(field.bytes, pieces++, where);
    } else if ((field.number == 3 || field.number == 5) && field.delimited) {
      check_normaliser(field.bytes, where);
    }
  }
}

}  // namespace attune::detail
