// The phrases of the English-Vietnamese grammar (grammar.h): each is built in both languages at once, and every
// Vietnamese word carries the numbers of the English words that it translates, so the alignment needs no guessing.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "attune/base/rng.h"
#include "attune/data/grammar_lexicon.h"

namespace attune::grammar {

using Ids = std::vector<int>;  // English words, numbered in the order in which they are written

struct Token {
  std::string text;
  Ids ids;  // English: its own number; Vietnamese: the words it translates
};
using Tokens = std::vector<Token>;

enum class Tense : uint8_t { present, progressive, past, future };

struct NounPhrase {
  Tokens english, vietnamese;
  const Noun* noun = nullptr;  // null: a pronoun, or several joined by "and"
  bool plural = false;
  bool human = false;
  bool first_person = false;
  bool relative = false;  // ends in a relative clause, to which a later adverbial would seem to belong
  std::string pronoun, possessive, referent;
};

// A verb with its objects; the finite form comes later, with the subject and the tense.
struct Action {
  const Verb* verb = nullptr;
  Word sense, after;  // Vietnamese verb and, for a split one, its second half
  Tokens english_rest, vietnamese_object, vietnamese_tail;
  bool relative = false;
};

struct NounOptions {
  const NounPhrase* owner = nullptr;  // the subject that "his" would refer to
  bool relative = false;              // may carry a relative clause
  bool past = false;                  // the tense of that relative clause
};

// Writes the phrases of one sentence. Draws come from `rng` in order, so a sentence is a function of its generator.
class Phrases {
 public:
  explicit Phrases(const Rng& rng) : rng_(rng) {}

  bool chance(double probability) { return rng_.uniform(next_++) < probability; }
  int below(size_t count) { return static_cast<int>(rng_.below(next_++, count)); }
  template <class T>
  const T& pick(const std::vector<T>& items) {
    return items[static_cast<size_t>(below(items.size()))];
  }
  template <class T>
  const T& pick(std::vector<T>&& items) = delete;  // the answer would outlive it

  // Appends English words, which get new numbers.
  Ids say(Tokens& english, Word text);
  // Appends Vietnamese words that translate the words `ids`.
  static void put(Tokens& vietnamese, Word text, const Ids& ids);
  static void append(Tokens& to, const Tokens& tail) { to.insert(to.end(), tail.begin(), tail.end()); }

  NounPhrase subject(Tense tense);
  NounPhrase person(const NounOptions& options);
  NounPhrase noun_phrase(const Noun& noun, const NounOptions& options);
  NounPhrase pronoun_of(const NounPhrase& referred);
  Action action(const NounPhrase& owner, const NounOptions& options);
  Action thing_action(const NounOptions& options);
  // The Vietnamese verb with its objects, for a verb whose English words are `ids`.
  static void put_action(Tokens& vietnamese, const Action& action, const Ids& ids);
  void place(Tokens& english, Tokens& vietnamese);

 private:
  struct Determiner {
    Tokens english, before, after;  // Vietnamese numbers stand before the noun; "this" and possessors behind it
    bool closed = false;            // no relative clause behind it
  };
  const Noun& fresh(const std::vector<Noun>& nouns);
  Determiner determiner(const Noun& noun, bool plural, const NounOptions& options);
  void possessor(Determiner& made, const NounPhrase* owner);
  void quantifier(Determiner& made, const Noun& noun, const NounOptions& options);
  NounPhrase kin_phrase(const Noun& noun, const NounOptions& options);
  NounPhrase joined(NounPhrase first, const NounPhrase& second);
  std::vector<std::pair<Word, Word>> qualities(const Noun& noun);
  void relative_clause(NounPhrase& phrase, bool past);
  Action person_action(const NounOptions& options);
  Action sense_action(const NounOptions& options);
  Action transfer_action(const NounOptions& options);

  Rng rng_;
  uint64_t next_ = 0;
  int words_ = 0;
  std::set<const Noun*> used_;  // a sentence names nobody twice
};

}  // namespace attune::grammar
