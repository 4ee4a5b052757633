#include "attune/data/grammar_lexicon.h"

#include <algorithm>

namespace attune::grammar {

const std::vector<Noun>& people() {
  static const std::vector<Noun> words = {
      {"man", "men", "người", "đàn ông", Kind::person, "he", "his", "ông ấy"},
      {"woman", "women", "người", "phụ nữ", Kind::person, "she", "her", "bà ấy"},
      {"boy", "boys", "cậu", "bé", Kind::youth, "he", "his", "cậu ấy"},
      {"girl", "girls", "cô", "gái", Kind::youth, "she", "her", "cô ấy"},
      {"teacher", "teachers", "cô", "giáo", Kind::person, "she", "her", "cô ấy"},
      {"doctor", "doctors", "vị", "bác sĩ", Kind::person, "he", "his", "ông ấy"},
      {"king", "kings", "vị", "vua", Kind::person, "he", "his", "ngài"},
      {"thief", "thieves", "tên", "trộm", Kind::person, "he", "his", "hắn"},
      {"prince", "princes", "chàng", "hoàng tử", Kind::youth, "he", "his", "chàng"},
      {"princess", "princesses", "nàng", "công chúa", Kind::youth, "she", "her", "nàng"},
      {"student", "students", "em", "học sinh", Kind::youth, "he", "his", "em ấy"},
      {"nurse", "nurses", "chị", "y tá", Kind::person, "she", "her", "chị ấy"},
      {"farmer", "farmers", "bác", "nông dân", Kind::person, "he", "his", "bác ấy"},
      {"soldier", "soldiers", "anh", "lính", Kind::person, "he", "his", "anh ấy"},
  };
  return words;
}

// "older brother" and "younger brother" are different words; the adjective belongs to the English noun.
const std::vector<Noun>& kin() {
  static const std::vector<Noun> words = {
      {"father", "", "", "bố", Kind::kin, "he", "his", "bố"},
      {"mother", "", "", "mẹ", Kind::kin, "she", "her", "mẹ"},
      {"grandfather", "", "", "ông", Kind::kin, "he", "his", "ông"},
      {"grandmother", "", "", "bà", Kind::kin, "she", "her", "bà"},
      {"uncle", "", "", "chú", Kind::kin, "he", "his", "chú"},
      {"aunt", "", "", "cô", Kind::kin, "she", "her", "cô"},
      {"older brother", "", "", "anh trai", Kind::kin, "he", "his", "anh"},
      {"younger brother", "", "", "em trai", Kind::kin, "he", "his", "em"},
      {"older sister", "", "", "chị gái", Kind::kin, "she", "her", "chị"},
      {"younger sister", "", "", "em gái", Kind::kin, "she", "her", "em"},
  };
  return words;
}

const std::vector<Noun>& animals() {
  static const auto animal = [](Word one, Word many, Word vietnamese, Senses verbs, Word black) {
    return Noun{one, many, "con", vietnamese, Kind::animal, "it", "its", "nó", std::move(verbs), {{"black", black}}};
  };
  static const std::vector<Noun> words = {
      animal("dog", "dogs", "chó", {{"wash", "tắm cho"}}, "mực"),
      animal("cat", "cats", "mèo", {{"carry", "bế"}}, "mun"),
      animal("horse", "horses", "ngựa", {{"ride", "cưỡi"}, {"wash", "tắm cho"}}, "ô"),
      animal("bird", "birds", "chim", {}, "đen"),
      animal("elephant", "elephants", "voi", {{"ride", "cưỡi"}, {"wash", "tắm cho"}}, "đen"),
  };
  return words;
}

const std::vector<Noun>& things() {
  static const auto noun = [](Word one, Word many, Word classifier, Word vietnamese, Kind kind, Senses verbs,
                              Senses adjectives = {}) {
    return Noun{one, many, classifier, vietnamese, kind, "it", "its", "nó", std::move(verbs), std::move(adjectives)};
  };
  static const std::vector<Noun> words = {
      noun("shirt", "shirts", "chiếc", "áo", Kind::clothing, {{"wear", "mặc"}, {"wash", "giặt"}}),
      noun("dress", "dresses", "chiếc", "váy", Kind::clothing, {{"wear", "mặc"}, {"wash", "giặt"}}),
      noun("coat", "coats", "chiếc", "áo khoác", Kind::clothing, {{"wear", "mặc"}, {"wash", "giặt"}}),
      noun("hat", "hats", "chiếc", "mũ", Kind::clothing, {{"wear", "đội"}, {"wash", "giặt"}}, {{"short", ""}}),
      noun("scarf", "scarves", "chiếc", "khăn", Kind::clothing, {{"wear", "quàng"}, {"wash", "giặt"}}),
      noun("tie", "ties", "chiếc", "cà vạt", Kind::clothing, {{"wear", "thắt"}}),
      noun("", "shoes", "đôi", "giày", Kind::thing, {{"wear", "đi"}, {"wash", "giặt"}}),
      noun("", "glasses", "cặp", "kính", Kind::thing, {{"wear", "đeo"}, {"break", "làm vỡ"}}),
      noun("watch", "watches", "chiếc", "đồng hồ", Kind::thing, {{"wear", "đeo"}, {"break", "làm hỏng"}}),
      noun("book", "books", "quyển", "sách", Kind::thing, {{"write", "viết"}}),
      noun("letter", "letters", "bức", "thư", Kind::thing, {{"write", "viết"}}),
      noun("knife", "knives", "con", "dao", Kind::thing, {{"wash", "rửa"}, {"break", "làm gãy"}}),
      noun("chair", "chairs", "cái", "ghế", Kind::thing, {{"carry", "bê"}, {"break", "làm gãy"}}),
      noun("bowl", "bowls", "cái", "bát", Kind::thing, {{"wash", "rửa"}, {"break", "làm vỡ"}, {"carry", "bê"}}),
      noun("bag", "bags", "cái", "túi", Kind::thing, {{"carry", "xách"}, {"wash", "giặt"}}),
      noun("basket", "baskets", "cái", "giỏ", Kind::thing, {{"carry", "xách"}}),
      noun("box", "boxes", "cái", "hộp", Kind::thing, {{"carry", "bê"}}),
      noun("pen", "pens", "cây", "bút", Kind::thing, {{"break", "làm gãy"}}),
      noun("bicycle", "bicycles", "chiếc", "xe đạp", Kind::thing, {{"ride", "đi"}, {"break", "làm hỏng"}}),
      noun("kite", "kites", "con", "diều", Kind::thing, {{"break", "làm hỏng"}}),
      noun("flower", "flowers", "bông", "hoa", Kind::food, {}),
      noun("cake", "cakes", "cái", "bánh", Kind::food, {{"eat", "ăn"}}),
      noun("mango", "mangoes", "quả", "xoài", Kind::food, {{"eat", "ăn"}, {"wash", "rửa"}}),
      noun("fish", "", "con", "cá", Kind::food, {{"eat", "ăn"}, {"wash", "rửa"}}),
  };
  return words;
}

const std::vector<Noun>& babies() {
  static const std::vector<Noun> words = {
      {"baby", "babies", "em", "bé", Kind::baby, "it", "its", "em", {{"carry", "bế"}, {"wash", "tắm cho"}}}};
  return words;
}

const std::vector<Noun>& substances() {
  static const auto noun = [](Word english, Word vietnamese, Word verb, Word sense) {
    return Noun{english, "", "", vietnamese, Kind::mass, "it", "its", "nó", {{verb, sense}}, {}};
  };
  static const std::vector<Noun> words = {
      noun("tea", "trà", "drink", "uống"),        noun("coffee", "cà phê", "drink", "uống"),
      noun("chess", "cờ", "play", "đánh"),        noun("football", "bóng", "play", "đá"),
      noun("the flute", "sáo", "play", "thổi"),   noun("the violin", "vĩ cầm", "play", "kéo"),
      noun("the drums", "trống", "play", "đánh"),
  };
  return words;
}

const std::vector<Place>& places() {
  static const auto noun = [](Word english, Word classifier, Word vietnamese) {
    return Noun{english, "", classifier, vietnamese, Kind::place, "it", "its", "nó", {}, {}};
  };
  static const std::vector<Noun> words = {
      noun("garden", "khu", "vườn"),    noun("market", "khu", "chợ"),    noun("river", "con", "sông"),
      noun("temple", "ngôi", "chùa"),   noun("bridge", "cây", "cầu"),    noun("house", "ngôi", "nhà"),
      noun("school", "ngôi", "trường"), noun("mountain", "ngọn", "núi"),
  };
  static const std::pair<Word, Word> in = {"in", "trong"}, near = {"near", "gần"}, behind = {"behind", "phía sau"},
                                     on = {"on", "trên"};
  static const std::vector<Place> all = {
      {&words[0], {in, near, behind}}, {&words[1], {in, near, behind}}, {&words[2], {near}},
      {&words[3], {in, near, behind}}, {&words[4], {near, on}},         {&words[5], {in, near, behind}},
      {&words[6], {in, near, behind}}, {&words[7], {near, on, behind}},
  };
  return all;
}

const std::vector<Verb>& person_verbs() {
  static const std::vector<Verb> words = {
      {"help", "helps", "helped", "helping", "giúp", "", "được"},
      {"love", "loves", "loved", "", "yêu", "", "được", true},
      {"thank", "thanks", "thanked", "thanking", "cảm ơn", "", "được"},
      {"call", "calls", "called", "calling", "gọi", "", "được"},
      {"follow", "follows", "followed", "following", "đi theo", "", "bị"},
  };
  return words;
}

const std::vector<Verb>& thing_verbs() {
  static const std::vector<Verb> words = {
      {"buy", "buys", "bought", "buying", "mua"},
      {"draw", "draws", "drew", "drawing", "vẽ"},
      {"hide", "hides", "hid", "hiding", "giấu"},
  };
  return words;
}

const std::vector<Verb>& sense_verbs() {
  static const std::vector<Verb> words = {
      {"wear", "wears", "wore", "wearing", ""},     {"carry", "carries", "carried", "carrying", ""},
      {"wash", "washes", "washed", "washing", ""},  {"ride", "rides", "rode", "riding", ""},
      {"break", "breaks", "broke", "breaking", ""}, {"play", "plays", "played", "playing", ""},
      {"eat", "eats", "ate", "eating", ""},         {"drink", "drinks", "drank", "drinking", ""},
      {"write", "writes", "wrote", "writing", ""},
  };
  return words;
}

const std::vector<Verb>& transfer_verbs() {
  static const std::vector<Verb> words = {
      {"give", "gives", "gave", "giving", "tặng"},
      {"lend", "lends", "lent", "lending", "cho", "mượn"},
      {"show", "shows", "showed", "showing", "cho", "xem"},
  };
  return words;
}

const std::vector<Verb>& single_verbs() {
  static const std::vector<Verb> words = {
      {"sleep", "sleeps", "slept", "sleeping", "ngủ"},    {"run", "runs", "ran", "running", "chạy"},
      {"cry", "cries", "cried", "crying", "khóc"},        {"laugh", "laughs", "laughed", "laughing", "cười"},
      {"work", "works", "worked", "working", "làm việc"},
  };
  return words;
}

const Verb& feed() {
  static const Verb word = {"feed", "feeds", "fed", "feeding", "cho", "ăn"};
  return word;
}

const std::vector<Adjective>& adjectives() {
  using enum Kind;
  static const std::vector<Adjective> words = {
      {"kind", 0, {{person, "tốt bụng"}, {youth, "tốt bụng"}}},
      {"beautiful", 0, {{animal, "đẹp"}, {clothing, "đẹp"}, {thing, "đẹp"}, {place, "đẹp"}}},
      {"expensive", 0, {{clothing, "đắt"}, {thing, "đắt"}, {food, "đắt"}}},
      {"quiet", 0, {{place, "yên tĩnh"}}},
      {"tall", 1, {{person, "cao"}, {youth, "cao"}}},
      {"short", 1, {{person, "thấp"}, {youth, "thấp"}, {clothing, "ngắn"}}},
      {"thin", 1, {{person, "gầy"}, {youth, "gầy"}, {animal, "gầy"}, {clothing, "mỏng"}}},
      {"strong", 1, {{person, "khỏe"}, {youth, "khỏe"}, {animal, "khỏe"}}},
      {"big", 1, {{animal, "to"}, {thing, "to"}, {food, "to"}, {place, "to"}}},
      {"small", 1, {{animal, "nhỏ"}, {thing, "nhỏ"}, {food, "nhỏ"}, {place, "nhỏ"}}},
      {"old", 2, {{person, "già"}, {animal, "già"}, {clothing, "cũ"}, {thing, "cũ"}, {place, "cổ"}}},
      {"young", 2, {{person, "trẻ"}}},
      {"new", 2, {{clothing, "mới"}, {thing, "mới"}}},
      {"red", 3, {{clothing, "đỏ"}, {thing, "đỏ"}}},
      {"blue", 3, {{clothing, "xanh"}, {thing, "xanh"}}},
      {"white", 3, {{animal, "trắng"}, {clothing, "trắng"}, {thing, "trắng"}}},
      {"black", 3, {{animal, "đen"}, {clothing, "đen"}, {thing, "đen"}}},
  };
  return words;
}

const Senses& states() {
  static const Senses words = {{"hungry", "đói"}, {"tired", "mệt"}, {"happy", "vui"}, {"sad", "buồn"}, {"sick", "ốm"}};
  return words;
}

const Senses& comparisons() {
  static const Senses words = {
      {"taller", "tall"}, {"stronger", "strong"}, {"bigger", "big"}, {"smaller", "small"}, {"older", "old"}};
  return words;
}

const Senses& manners() {
  static const Senses words = {
      {"slowly", "chậm rãi"}, {"quietly", "lặng lẽ"}, {"happily", "vui vẻ"}, {"carefully", "cẩn thận"}};
  return words;
}

const Senses& frequencies() {
  static const Senses words = {{"always", "luôn"}, {"often", "thường"}, {"never", "không bao giờ"}};
  return words;
}

const Senses& numerals() {
  static const Senses words = {{"two", "hai"}, {"three", "ba"}, {"four", "bốn"}, {"five", "năm"}};
  return words;
}

Word sense_of_verb(const Noun& noun, Word english) {
  const auto found = std::ranges::find(noun.verbs, english, &std::pair<Word, Word>::first);
  return found == noun.verbs.end() ? Word{} : found->second;
}

Word sense_of_adjective(const Noun& noun, const Adjective& adjective) {
  const auto own = std::ranges::find(noun.adjectives, adjective.english, &std::pair<Word, Word>::first);
  const auto general = std::ranges::find(adjective.senses, noun.kind, &std::pair<Kind, Word>::first);
  if (general == adjective.senses.end()) return {};
  return own == noun.adjectives.end() ? general->second : own->second;
}

}  // namespace attune::grammar
