#include "attune/data/grammar_phrases.h"

#include <algorithm>
#include <utility>

namespace attune::grammar {
namespace {

void set_object(Action& action, const NounPhrase& object) {
  action.english_rest = object.english;
  action.vietnamese_object = object.vietnamese;
  action.relative = object.relative;
}

template <class Each>
void each_word(Word text, Each&& each) {
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    if (end > 0) each(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

bool starts_with_vowel(const Token& token) {
  return std::string_view("aeiou").find(token.text[0]) != Word::npos;
}

bool countable_person(const Noun& noun) {
  return noun.kind == Kind::person || noun.kind == Kind::youth;
}

}  // namespace

Ids Phrases::say(Tokens& english, Word text) {
  Ids ids;
  each_word(text, [&](Word word) {
    ids.push_back(words_);
    english.push_back({std::string(word), {words_++}});
  });
  return ids;
}

void Phrases::put(Tokens& vietnamese, Word text, const Ids& ids) {
  each_word(text, [&](Word word) { vietnamese.push_back({std::string(word), ids}); });
}

const Noun& Phrases::fresh(const std::vector<Noun>& nouns) {
  const Noun* noun = &pick(nouns);
  for (int attempt = 0; attempt < 20 && used_.contains(noun); ++attempt) noun = &pick(nouns);
  used_.insert(noun);
  return *noun;
}

NounPhrase Phrases::subject(Tense tense) {
  if (chance(0.08)) {
    NounPhrase phrase;
    phrase.first_person = phrase.human = true;
    phrase.plural = chance(0.5);
    phrase.pronoun = phrase.plural ? "we" : "i";
    phrase.possessive = phrase.plural ? "our" : "my";
    phrase.referent = phrase.plural ? "chúng tôi" : "tôi";
    put(phrase.vietnamese, phrase.referent, say(phrase.english, phrase.pronoun));
    return phrase;
  }
  const bool past = tense == Tense::past;
  if (chance(0.12)) return noun_phrase(fresh(animals()), {.past = past});
  if (chance(0.18)) {
    NounPhrase first = person({.past = past});
    return joined(std::move(first), person({.past = past}));
  }
  return person({.relative = chance(0.25), .past = past});
}

NounPhrase Phrases::person(const NounOptions& options) {
  return chance(0.22) ? kin_phrase(fresh(kin()), options) : noun_phrase(fresh(people()), options);
}

NounPhrase Phrases::joined(NounPhrase first, const NounPhrase& second) {
  const Ids ids = say(first.english, "and");
  // The numbers say who is who, not where: `second` was numbered before its "and".
  append(first.english, second.english);
  put(first.vietnamese, "và", ids);
  append(first.vietnamese, second.vietnamese);
  first.noun = nullptr;
  first.plural = true;
  first.human = first.human || second.human;
  first.relative = second.relative;
  first.pronoun = "they";
  first.possessive = "their";
  first.referent = first.human ? "họ" : "chúng";
  return first;
}

NounPhrase Phrases::kin_phrase(const Noun& noun, const NounOptions& options) {
  NounPhrase phrase;
  phrase.noun = &noun;
  phrase.human = true;
  phrase.pronoun = noun.pronoun;
  phrase.possessive = noun.possessive;
  phrase.referent = noun.referent;
  const NounPhrase* owner = options.owner;
  const bool of_kin = owner && owner->noun && owner->noun->kind == Kind::kin;
  if (owner && !of_kin && chance(0.5)) {
    const Ids ids = say(phrase.english, owner->possessive);
    put(phrase.vietnamese, noun.vietnamese, say(phrase.english, noun.singular));
    if (!owner->first_person) put(phrase.vietnamese, "của", ids);
    put(phrase.vietnamese, owner->referent, ids);
    return phrase;
  }
  const Ids ids = say(phrase.english, "my");
  put(phrase.vietnamese, noun.vietnamese, say(phrase.english, noun.singular));
  put(phrase.vietnamese, "tôi", ids);
  return phrase;
}

void Phrases::possessor(Determiner& made, const NounPhrase* owner) {
  const bool own = owner && (owner->first_person || chance(0.7));
  const Ids ids = say(made.english, own ? Word(owner->possessive) : Word("my"));
  put(made.after, "của", ids);
  put(made.after, own ? Word(owner->referent) : Word("tôi"), ids);
  made.closed = true;
}

// Plural noun phrases: numbers, quantities, and "những" for a bare plural (aligned to the noun by the caller).
void Phrases::quantifier(Determiner& made, const Noun& noun, const NounOptions& options) {
  const int kind = below(10);
  const auto number = [&] {
    const auto& [english, vietnamese] = pick(numerals());
    put(made.before, vietnamese, say(made.english, english));
  };
  if (kind < 4) {
    number();
  } else if (kind < 5) {
    const bool many = chance(0.5);
    put(made.before, many ? "nhiều" : "vài", say(made.english, many ? "many" : "some"));
  } else if (kind < 7) {
    put(made.after, "này", say(made.english, "these"));
    made.closed = true;
    if (chance(0.5)) number();
  } else if (kind < 8 && !countable_person(noun)) {
    possessor(made, options.owner);
    if (chance(0.5)) number();
  } else {
    say(made.english, "the");
  }
}

Phrases::Determiner Phrases::determiner(const Noun& noun, bool plural, const NounOptions& options) {
  Determiner made;
  const bool pair = noun.singular.empty();
  if (noun.kind == Kind::mass) {
    made.closed = true;
  } else if (plural && !pair) {
    quantifier(made, noun, options);
  } else if (const int kind = below(10); kind < 3 && !countable_person(noun) && noun.kind != Kind::place) {
    possessor(made, options.owner);
  } else if (kind == 3) {
    put(made.after, "này", say(made.english, pair ? "these" : "this"));
    made.closed = true;
  } else if (kind < 6 && !pair) {
    put(made.before, "một", say(made.english, "a"));
  } else {
    say(made.english, "the");
  }
  return made;
}

// Up to two adjectives in English order.
std::vector<std::pair<Word, Word>> Phrases::qualities(const Noun& noun) {
  std::vector<std::pair<Word, Word>> chosen;
  std::vector<const Adjective*> fitting;
  for (const Adjective& adjective : adjectives()) {
    if (!sense_of_adjective(noun, adjective).empty()) fitting.push_back(&adjective);
  }
  if (fitting.empty() || !chance(0.85)) return chosen;
  std::vector<const Adjective*> picked = {pick(fitting)};
  if (const Adjective* second = pick(fitting); chance(0.5) && second->rank != picked[0]->rank) {
    picked.push_back(second);
  }
  std::ranges::sort(picked, {}, &Adjective::rank);
  for (const Adjective* adjective : picked) {
    chosen.emplace_back(adjective->english, sense_of_adjective(noun, *adjective));
  }
  return chosen;
}

NounPhrase Phrases::noun_phrase(const Noun& noun, const NounOptions& options) {
  NounPhrase phrase;
  phrase.noun = &noun;
  phrase.plural = noun.singular.empty() || (!noun.plural.empty() && chance(0.5));
  phrase.human = countable_person(noun);
  phrase.pronoun = phrase.plural ? "they" : noun.pronoun;
  phrase.possessive = phrase.plural ? "their" : noun.possessive;
  phrase.referent = !phrase.plural ? noun.referent : phrase.human ? "họ" : "chúng";

  Determiner made = determiner(noun, phrase.plural, options);
  append(phrase.english, made.english);
  Tokens behind;
  for (const auto& [english, vietnamese] : qualities(noun)) {
    Tokens words;
    put(words, vietnamese, say(phrase.english, english));
    behind.insert(behind.begin(), words.begin(), words.end());
  }
  if (!made.english.empty() && made.english.back().text == "a") {
    const bool vowel = phrase.english.size() > 1 ? starts_with_vowel(phrase.english[1])
                                                 : std::string_view("aeiou").find(noun.singular[0]) != Word::npos;
    if (vowel) phrase.english[0].text = "an";
  }
  const Ids ids = say(phrase.english, phrase.plural ? noun.plural : noun.singular);
  if (phrase.plural && made.before.empty() && !noun.singular.empty()) put(phrase.vietnamese, "những", ids);
  append(phrase.vietnamese, made.before);
  put(phrase.vietnamese, noun.classifier, ids);
  put(phrase.vietnamese, noun.vietnamese, ids);
  append(phrase.vietnamese, behind);
  append(phrase.vietnamese, made.after);
  if (options.relative && !made.closed) relative_clause(phrase, options.past);
  return phrase;
}

// "the man who wears a hat", "the hat that the boy buys". Its tense is the main clause's, which Vietnamese leaves out.
void Phrases::relative_clause(NounPhrase& phrase, bool past) {
  phrase.relative = true;
  const auto form = [past](const Verb& verb, bool plural) {
    return past ? verb.past : plural ? verb.base : verb.third;
  };
  if (phrase.human && chance(0.6)) {
    say(phrase.english, "who");
    const Action made = chance(0.7) ? sense_action({}) : person_action({});
    const Ids ids = say(phrase.english, form(*made.verb, phrase.plural));
    append(phrase.english, made.english_rest);
    put_action(phrase.vietnamese, made, ids);
    return;
  }
  const Verb& verb = pick(phrase.human || phrase.noun->kind == Kind::animal ? person_verbs() : thing_verbs());
  put(phrase.vietnamese, "mà", say(phrase.english, "that"));
  const NounPhrase agent = person({});
  append(phrase.english, agent.english);
  append(phrase.vietnamese, agent.vietnamese);
  put(phrase.vietnamese, verb.vietnamese, say(phrase.english, form(verb, agent.plural)));
}

NounPhrase Phrases::pronoun_of(const NounPhrase& referred) {
  NounPhrase phrase = referred;
  phrase.english.clear();
  phrase.vietnamese.clear();
  phrase.relative = false;
  put(phrase.vietnamese, phrase.referent, say(phrase.english, phrase.pronoun));
  return phrase;
}

Action Phrases::person_action(const NounOptions& options) {
  Action made;
  made.verb = &pick(person_verbs());
  made.sense = made.verb->vietnamese;
  NounPhrase object = chance(0.15) ? noun_phrase(fresh(animals()), options) : person(options);
  if (!object.relative && chance(0.25)) {
    NounOptions plain = options;
    plain.relative = false;
    object = joined(std::move(object), person(plain));
  }
  set_object(made, object);
  return made;
}

Action Phrases::thing_action(const NounOptions& options) {
  Action made;
  made.verb = &pick(thing_verbs());
  made.sense = made.verb->vietnamese;
  NounPhrase object = noun_phrase(fresh(things()), options);
  if (!object.relative && chance(0.3)) {
    NounOptions plain = options;
    plain.relative = false;
    object = joined(std::move(object), noun_phrase(fresh(things()), plain));
  }
  set_object(made, object);
  return made;
}

Action Phrases::sense_action(const NounOptions& options) {
  Action made;
  made.verb = &pick(sense_verbs());
  std::vector<const Noun*> fitting;
  for (const auto* group : {&things(), &animals(), &babies(), &substances()}) {
    for (const Noun& noun : *group) {
      if (!sense_of_verb(noun, made.verb->base).empty()) fitting.push_back(&noun);
    }
  }
  const Noun* noun = pick(fitting);
  for (int attempt = 0; attempt < 20 && used_.contains(noun); ++attempt) noun = pick(fitting);
  used_.insert(noun);
  const NounPhrase object = noun_phrase(*noun, options);
  made.sense = sense_of_verb(*noun, made.verb->base);
  set_object(made, object);
  return made;
}

Action Phrases::transfer_action(const NounOptions& options) {
  Action made;
  made.verb = &pick(transfer_verbs());
  made.sense = made.verb->vietnamese;
  made.after = made.verb->after;
  NounOptions plain = options;
  plain.relative = false;
  const NounPhrase gift = noun_phrase(fresh(things()), plain);
  const NounPhrase receiver = person(plain);
  made.english_rest = gift.english;
  say(made.english_rest, "to");
  append(made.english_rest, receiver.english);
  made.vietnamese_object = receiver.vietnamese;
  made.vietnamese_tail = gift.vietnamese;
  return made;
}

Action Phrases::action(const NounPhrase& owner, const NounOptions& options) {
  const int kind = below(20);
  if (!owner.human) {
    NounOptions plain = options;  // animals own nothing
    plain.owner = nullptr;
    if (kind < 14) return person_action(plain);
  } else if (kind < 5) {
    return person_action(options);
  } else if (kind < 9) {
    return thing_action(options);
  } else if (kind < 14) {
    return sense_action(options);
  } else if (kind < 18) {
    return transfer_action(options);
  }
  Action made;
  if (kind == 18 && owner.human) {
    NounOptions plain = options;
    plain.relative = false;
    const NounPhrase animal = noun_phrase(fresh(animals()), plain);
    made.verb = &feed();
    made.english_rest = animal.english;
    made.vietnamese_object = animal.vietnamese;
  } else {
    made.verb = &(owner.human ? pick(single_verbs()) : single_verbs()[chance(0.5) ? 1 : 0]);  // animals sleep or run
  }
  made.sense = made.verb->vietnamese;
  made.after = made.verb->after;
  return made;
}

void Phrases::put_action(Tokens& vietnamese, const Action& action, const Ids& ids) {
  put(vietnamese, action.sense, ids);
  append(vietnamese, action.vietnamese_object);
  put(vietnamese, action.after, ids);
  append(vietnamese, action.vietnamese_tail);
}

void Phrases::place(Tokens& english, Tokens& vietnamese) {
  const Place& where = pick(places());
  const auto& [preposition, translation] = pick(where.prepositions);
  put(vietnamese, translation, say(english, preposition));
  const NounPhrase phrase = noun_phrase(*where.noun, {});
  append(english, phrase.english);
  append(vietnamese, phrase.vietnamese);
}

}  // namespace attune::grammar
