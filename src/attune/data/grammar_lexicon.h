// The words of the English-Vietnamese grammar (grammar.h), as tables. What a noun decides about its neighbours (its
// classifier, the sense of the verbs it is the object of, the sense of an adjective) stands in the noun's own row.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace attune::grammar {

using Word = std::string_view;
using Senses = std::vector<std::pair<Word, Word>>;  // English word, its Vietnamese beside this noun

enum class Kind : uint8_t { person, youth, kin, baby, animal, clothing, thing, food, mass, place };

struct Noun {
  Word singular, plural;  // plural empty: no plural; singular empty: a pair (shoes), plural in English alone
  Word classifier, vietnamese;
  Kind kind;
  Word pronoun = {}, possessive = {};  // English: he, his
  Word referent = {};                  // how Vietnamese refers back to it
  Senses verbs = {};                   // verbs that take it as object only in a sense of its own
  Senses adjectives = {};              // empty sense: not beside this noun
};

struct Verb {
  Word base, third, past, progressive;
  Word vietnamese;
  Word after = {};    // second half, behind the (first) object: feed = cho ... ăn
  Word passive = {};  // được (welcome) or bị (not); empty: no passive
  bool stative = false;
};

struct Adjective {
  Word english;
  int rank;  // English order: opinion 0, size 1, age 2, colour 3; Vietnamese mirrors it
  std::vector<std::pair<Kind, Word>> senses;
};

struct Place {
  const Noun* noun;
  std::vector<std::pair<Word, Word>> prepositions;
};

const std::vector<Noun>& people();  // persons and youths
const std::vector<Noun>& kin();
const std::vector<Noun>& animals();
const std::vector<Noun>& things();  // clothing, things and food
const std::vector<Noun>& babies();
const std::vector<Noun>& substances();  // without determiner of their own: tea, the flute, chess
const std::vector<Place>& places();

const std::vector<Verb>& person_verbs();    // any person as object
const std::vector<Verb>& thing_verbs();     // any thing as object
const std::vector<Verb>& sense_verbs();     // the object chooses the Vietnamese verb; only objects that list the verb
const std::vector<Verb>& transfer_verbs();  // give a thing to a person
const std::vector<Verb>& single_verbs();    // without object; the first two are what animals do
const Verb& feed();

const std::vector<Adjective>& adjectives();
const Senses& states();       // tired, hungry
const Senses& comparisons();  // taller: the adjective it compares
const Senses& manners();      // slowly
const Senses& frequencies();  // often
const Senses& numerals();

// The Vietnamese of `english` beside this noun, or empty where the two do not go together.
Word sense_of_verb(const Noun& noun, Word english);
Word sense_of_adjective(const Noun& noun, const Adjective& adjective);

}  // namespace attune::grammar
