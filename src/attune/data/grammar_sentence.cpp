#include "attune/data/grammar_sentence.h"

#include <algorithm>
#include <map>

#include "attune/data/grammar_phrases.h"

namespace attune::grammar {

namespace {

struct Clause {
  NounPhrase subject;
  Tokens english, vietnamese;
  bool relative = false;  // its last noun carries a relative clause
};

enum class Mood : uint8_t { main, negated, subordinate };

// Builds one sentence out of phrases. Time is kept apart: it stands first in Vietnamese whatever its English place.
class Sentence {
 public:
  explicit Sentence(const Rng& rng) : phrases_(rng) {}
  GeneratedPair make();

 private:
  Tense any_tense();
  Word be(const NounPhrase& subject, Tense tense) const;
  Ids put_finite(Clause& clause, const Verb& verb, Tense tense, Mood mood);
  void predicate(Clause& clause, Tense tense, Mood mood);
  void passive(Clause& clause, Tense tense);
  Clause clause(NounPhrase subject, Tense tense, Mood mood);
  Clause state_clause(NounPhrase subject, Tense tense);
  Clause comparison();
  void question();
  void what_question(Tense tense);
  void statement();
  void with_pronoun(const Clause& main, Tense tense);
  void with_clause(const Clause& main, Tense tense);
  void time(Tense tense);
  void add(const Clause& clause);
  GeneratedPair finish() const;

  Phrases phrases_;
  Tokens time_english_, time_vietnamese_;
  Tokens english_, vietnamese_;
  bool time_first_ = false;  // in English
  Word mark_ = ".";
};

Tense Sentence::any_tense() {
  const int kind = phrases_.below(10);
  if (kind < 3) return Tense::present;
  if (kind < 5) return Tense::progressive;
  return kind < 8 ? Tense::past : Tense::future;
}

Word Sentence::be(const NounPhrase& subject, Tense tense) const {
  if (tense == Tense::past) return subject.plural ? "were" : "was";
  if (subject.plural) return "are";
  return subject.first_person ? "am" : "is";
}

// The finite verb in English and the particles before the Vietnamese verb; returns the verb's own words.
Ids Sentence::put_finite(Clause& clause, const Verb& verb, Tense tense, Mood mood) {
  Tokens& english = clause.english;
  Tokens& vietnamese = clause.vietnamese;
  const bool third = !clause.subject.plural && !clause.subject.first_person;
  if (tense == Tense::progressive && (verb.stative || mood == Mood::negated)) tense = Tense::present;
  if (tense == Tense::future && mood == Mood::subordinate) tense = Tense::present;  // when he comes
  if (tense == Tense::progressive) {
    const Ids ids = phrases_.say(english, be(clause.subject, tense));
    Phrases::put(vietnamese, "đang", ids);
    return phrases_.say(english, verb.progressive);
  }
  if (mood == Mood::negated) {
    const Ids ids = phrases_.say(english, tense == Tense::past     ? "did"
                                          : tense == Tense::future ? "will"
                                          : third                  ? "does"
                                                                   : "do");
    Phrases::put(vietnamese, tense == Tense::past ? "đã" : tense == Tense::future ? "sẽ" : "", ids);
    Phrases::put(vietnamese, "không", phrases_.say(english, "not"));
    return phrases_.say(english, verb.base);
  }
  if (tense == Tense::future) {
    Phrases::put(vietnamese, "sẽ", phrases_.say(english, "will"));
    return phrases_.say(english, verb.base);
  }
  if (tense == Tense::present && mood == Mood::main && time_english_.empty() && phrases_.chance(0.25)) {
    const auto& [often, translation] = phrases_.pick(frequencies());
    Phrases::put(vietnamese, translation, phrases_.say(english, often));
  }
  const Ids ids = phrases_.say(english, tense == Tense::past ? verb.past : third ? verb.third : verb.base);
  if (tense == Tense::past && mood == Mood::main) Phrases::put(vietnamese, "đã", ids);
  return ids;
}

void Sentence::predicate(Clause& clause, Tense tense, Mood mood) {
  const bool relative = mood == Mood::main && !clause.subject.relative && phrases_.chance(0.15);
  const Action action =
      phrases_.action(clause.subject, {.owner = &clause.subject, .relative = relative, .past = tense == Tense::past});
  const Ids ids = put_finite(clause, *action.verb, tense, mood);
  Phrases::append(clause.english, action.english_rest);
  if (mood == Mood::main && !action.relative && !action.verb->stative && phrases_.chance(0.15)) {
    const auto& [english, vietnamese] = phrases_.pick(manners());
    Phrases::put(clause.vietnamese, vietnamese, phrases_.say(clause.english, english));
  }
  Phrases::put_action(clause.vietnamese, action, ids);
  clause.relative = action.relative;
  if (!action.relative && phrases_.chance(mood == Mood::subordinate ? 0.1 : 0.25)) {
    phrases_.place(clause.english, clause.vietnamese);
  }
}

// "is helped by my uncle" -> "được chú tôi giúp"
void Sentence::passive(Clause& clause, Tense tense) {
  const Verb& verb = phrases_.pick(person_verbs());
  if (tense == Tense::future) {
    Phrases::put(clause.vietnamese, "sẽ", phrases_.say(clause.english, "will"));
    phrases_.say(clause.english, "be");
  } else {
    const Ids ids = phrases_.say(clause.english, be(clause.subject, tense));
    if (tense == Tense::past) Phrases::put(clause.vietnamese, "đã", ids);
  }
  const Ids ids = phrases_.say(clause.english, verb.past);
  Phrases::put(clause.vietnamese, verb.passive, phrases_.say(clause.english, "by"));
  const NounPhrase agent = phrases_.person({});
  Phrases::append(clause.english, agent.english);
  Phrases::append(clause.vietnamese, agent.vietnamese);
  Phrases::put(clause.vietnamese, verb.vietnamese, ids);
}

Clause Sentence::clause(NounPhrase subject, Tense tense, Mood mood) {
  Clause made{std::move(subject), {}, {}};
  made.english = made.subject.english;
  made.vietnamese = made.subject.vietnamese;
  predicate(made, tense, mood);
  return made;
}

// "she is tired": Vietnamese needs neither verb nor tense here.
Clause Sentence::state_clause(NounPhrase subject, Tense tense) {
  Clause made{std::move(subject), {}, {}};
  made.english = made.subject.english;
  made.vietnamese = made.subject.vietnamese;
  phrases_.say(made.english, be(made.subject, tense));
  const auto& [english, vietnamese] = phrases_.pick(states());
  Phrases::put(made.vietnamese, vietnamese, phrases_.say(made.english, english));
  return made;
}

// "the hat that i bought is older than this coat": the subject chooses the adjective's sense.
Clause Sentence::comparison() {
  const std::vector groups = {&people(), &animals(), &things()};
  const auto* group = phrases_.pick(groups);
  std::vector<std::pair<Word, Word>> fitting;
  const Noun* noun = nullptr;
  while (fitting.empty()) {
    noun = &phrases_.pick(*group);
    for (const auto& [comparative, english] : comparisons()) {
      const auto adjective = std::ranges::find(adjectives(), english, &Adjective::english);
      const Word sense = sense_of_adjective(*noun, *adjective);
      if (!sense.empty()) fitting.emplace_back(comparative, sense);
    }
  }
  Clause made{phrases_.noun_phrase(*noun, {.relative = phrases_.chance(0.6)}), {}, {}};
  made.english = made.subject.english;
  made.vietnamese = made.subject.vietnamese;
  phrases_.say(made.english, be(made.subject, Tense::present));
  const auto& [comparative, sense] = phrases_.pick(fitting);
  const Noun* other = noun;
  while (other == noun) other = &phrases_.pick(*group);
  Phrases::put(made.vietnamese, sense, phrases_.say(made.english, comparative));
  Phrases::put(made.vietnamese, "hơn", phrases_.say(made.english, "than"));
  const NounPhrase second = phrases_.noun_phrase(*other, {.relative = !made.subject.relative && phrases_.chance(0.4)});
  Phrases::append(made.english, second.english);
  Phrases::append(made.vietnamese, second.vietnamese);
  return made;
}

// "does the man buy a hat ?" -> "người đàn ông có mua một chiếc mũ không ?"; "why ..." -> "tại sao ... ?"
void Sentence::question() {
  mark_ = "?";
  const Tense tense = any_tense();
  if (phrases_.chance(0.25)) return what_question(tense == Tense::progressive ? Tense::present : tense);
  const bool why = phrases_.chance(0.4);
  const NounPhrase subject = phrases_.subject(tense);
  const Action action = phrases_.action(subject, {.owner = &subject});
  const bool going = tense == Tense::progressive && !action.verb->stative;
  const bool third = !subject.plural && !subject.first_person;
  if (why) Phrases::put(vietnamese_, "tại sao", phrases_.say(english_, "why"));
  const Word auxiliary = going                    ? be(subject, tense)
                         : tense == Tense::past   ? "did"
                         : tense == Tense::future ? "will"
                         : third                  ? "does"
                                                  : "do";
  const Ids ids = phrases_.say(english_, auxiliary);
  Phrases::append(english_, subject.english);
  Phrases::append(vietnamese_, subject.vietnamese);
  const Word particle = tense == Tense::future ? "sẽ" : going ? "đang" : tense == Tense::past && why ? "đã" : "";
  if (!why && tense != Tense::future) Phrases::put(vietnamese_, "có", ids);
  Phrases::put(vietnamese_, particle, ids);
  const Ids verb = phrases_.say(english_, going ? action.verb->progressive : action.verb->base);
  Phrases::append(english_, action.english_rest);
  Phrases::put_action(vietnamese_, action, verb);
  if (phrases_.chance(0.3)) phrases_.place(english_, vietnamese_);
  if (!why) Phrases::put(vietnamese_, "không", ids);
  if (phrases_.chance(0.25)) time(tense);
  time_first_ = false;
}

// "what does the man buy ?" -> "người đàn ông mua gì ?"
void Sentence::what_question(Tense tense) {
  const NounPhrase subject = phrases_.person({.relative = phrases_.chance(0.5), .past = tense == Tense::past});
  const Verb& verb = phrases_.pick(thing_verbs());
  const Ids what = phrases_.say(english_, "what");
  const Ids ids = phrases_.say(english_, tense == Tense::past     ? "did"
                                         : tense == Tense::future ? "will"
                                         : subject.plural         ? "do"
                                                                  : "does");
  Phrases::append(english_, subject.english);
  Phrases::append(vietnamese_, subject.vietnamese);
  Phrases::put(vietnamese_, tense == Tense::past ? "đã" : tense == Tense::future ? "sẽ" : "", ids);
  Phrases::put(vietnamese_, verb.vietnamese, phrases_.say(english_, verb.base));
  Phrases::put(vietnamese_, "gì", what);
  if (phrases_.chance(0.5)) phrases_.place(english_, vietnamese_);
}

void Sentence::time(Tense tense) {
  using Pairs = std::vector<std::pair<Word, Word>>;
  static const Pairs units = {{"week", "tuần"}, {"month", "tháng"}, {"year", "năm"}};
  static const Pairs habits = {{"week", "tuần"}, {"month", "tháng"}, {"day", "ngày"}, {"morning", "sáng"}};
  Tokens& english = time_english_;
  Tokens& vietnamese = time_vietnamese_;
  time_first_ = phrases_.chance(0.35);
  if (tense == Tense::progressive) {
    const bool now = phrases_.chance(0.5);
    return Phrases::put(vietnamese, now ? "bây giờ" : "hôm nay", phrases_.say(english, now ? "now" : "today"));
  }
  if (tense == Tense::present) {
    Phrases::put(vietnamese, "mỗi", phrases_.say(english, "every"));
    const auto& [unit, translation] = phrases_.pick(habits);
    return Phrases::put(vietnamese, translation, phrases_.say(english, unit));
  }
  const bool past = tense == Tense::past;
  if (phrases_.chance(0.5)) {
    const Ids day = phrases_.say(english, past ? "yesterday" : "tomorrow");
    if (phrases_.chance(0.5)) Phrases::put(vietnamese, "sáng", phrases_.say(english, "morning"));
    return Phrases::put(vietnamese, past ? "hôm qua" : "ngày mai", day);
  }
  const bool same = phrases_.chance(0.25);
  const Ids which = phrases_.say(english, same ? "this" : past ? "last" : "next");
  const auto& [unit, translation] = phrases_.pick(units);
  Phrases::put(vietnamese, translation, phrases_.say(english, unit));
  const bool year = unit == "year";  // năm ngoái, năm nay, but tuần trước, tuần này
  const Word before = year ? "ngoái" : "trước", current = year ? "nay" : "này";
  Phrases::put(vietnamese, same ? current : past ? before : Word("sau"), which);
}

void Sentence::add(const Clause& clause) {
  Phrases::append(english_, clause.english);
  Phrases::append(vietnamese_, clause.vietnamese);
}

// The second clause's pronoun is chosen by the first one's subject: ông ấy, cô ấy, hắn, ngài, nó, họ, or the kinship
// term.
void Sentence::with_pronoun(const Clause& main, Tense tense) {
  add(main);
  static const std::vector<std::pair<Word, Word>> reasons = {{"because", "vì"}, {"but", "nhưng"}};
  static const std::vector<std::pair<Word, Word>> joins = {
      {"and", "và"}, {"but", "nhưng"}, {"when", "khi"}, {"after", "sau khi"}, {"before", "trước khi"}};
  const bool state = phrases_.chance(0.35);
  const auto& [english, vietnamese] = phrases_.pick(state ? reasons : joins);
  Phrases::put(vietnamese_, vietnamese, phrases_.say(english_, english));
  NounPhrase subject = phrases_.pronoun_of(main.subject);
  const Tense when = tense == Tense::past ? tense : Tense::present;
  if (state) return add(state_clause(std::move(subject), when));
  const bool main_clause = english == "and" || english == "but";
  add(clause(std::move(subject), main_clause ? tense : when, main_clause ? Mood::main : Mood::subordinate));
}

// With a subject of its own a subordinate clause comes first in Vietnamese.
void Sentence::with_clause(const Clause& main, Tense tense) {
  struct Join {
    Word english, vietnamese, between;
  };
  static const std::vector<Join> same = {{"and", "và", ""}, {"but", "nhưng", ""}, {"while", "trong khi", ""}};
  static const std::vector<Join> moved = {
      {"when", "khi", ","}, {"after", "sau khi", ","}, {"before", "trước khi", ","}, {"because", "vì", "nên"}};
  const bool moves = phrases_.chance(0.6);
  const Join& join = phrases_.pick(moves ? moved : same);
  const Tense when = !moves || tense == Tense::past ? tense : Tense::present;
  Phrases::append(english_, main.english);
  const Ids ids = phrases_.say(english_, join.english);
  const Mood mood = moves ? Mood::subordinate : Mood::main;
  const bool reason = join.english == "because" && phrases_.chance(0.4);
  NounPhrase subject = phrases_.person({});
  const Clause second = reason ? state_clause(std::move(subject), when) : clause(std::move(subject), when, mood);
  Phrases::append(english_, second.english);
  if (!moves) {
    Phrases::append(vietnamese_, main.vietnamese);
    Phrases::put(vietnamese_, join.vietnamese, ids);
    return Phrases::append(vietnamese_, second.vietnamese);
  }
  Phrases::put(vietnamese_, join.vietnamese, ids);
  Phrases::append(vietnamese_, second.vietnamese);
  Phrases::put(vietnamese_, join.between, join.between == "," ? Ids{} : ids);
  Phrases::append(vietnamese_, main.vietnamese);
}

void Sentence::statement() {
  const Tense tense = any_tense();
  const int kind = phrases_.below(20);
  NounPhrase subject = phrases_.subject(tense);
  const bool passive_voice = kind < 2 && !subject.first_person;
  if (!passive_voice && phrases_.chance(0.4)) time(tense);
  Clause main{};
  if (passive_voice) {
    main.subject = std::move(subject);
    main.english = main.subject.english;
    main.vietnamese = main.subject.vietnamese;
    passive(main, tense == Tense::progressive ? Tense::present : tense);
  } else {
    const bool negated = tense != Tense::progressive && phrases_.chance(0.12);
    main = clause(std::move(subject), tense, negated ? Mood::negated : Mood::main);
  }
  // English puts time at the front or behind the first clause; behind a relative clause it would belong to that one.
  if (main.relative) time_first_ = true;
  if (!time_first_) Phrases::append(main.english, time_english_);
  if (passive_voice || kind < 4) return add(main);
  if (main.relative) return add(main);
  return kind < 9 ? with_pronoun(main, tense) : with_clause(main, tense);
}

GeneratedPair Sentence::finish() const {
  Tokens source = time_first_ ? time_english_ : Tokens{};
  Phrases::append(source, english_);
  if (!time_first_ && mark_ == "?") Phrases::append(source, time_english_);
  Tokens target = time_vietnamese_;
  Phrases::append(target, vietnamese_);

  GeneratedPair pair;
  std::map<int, int> where;
  for (const Token& token : source) {
    where.emplace(token.ids.front(), static_cast<int>(where.size()));
    pair.source += token.text + ' ';
  }
  for (size_t j = 0; j < target.size(); ++j) {
    for (int id : target[j].ids) pair.alignment.emplace_back(where.at(id), static_cast<int>(j));
    pair.target += target[j].text + ' ';
  }
  pair.alignment.emplace_back(static_cast<int>(source.size()), static_cast<int>(target.size()));
  std::ranges::sort(pair.alignment);
  pair.source += mark_;
  pair.target += mark_;
  return pair;
}

GeneratedPair Sentence::make() {
  const int kind = phrases_.below(20);
  if (kind < 2) {
    question();
  } else if (kind < 3) {
    add(comparison());
  } else {
    statement();
  }
  return finish();
}

}  // namespace

GeneratedPair make_sentence(const Rng& rng) {
  return Sentence(rng).make();
}

}  // namespace attune::grammar
