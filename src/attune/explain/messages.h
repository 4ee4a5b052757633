// What explanations say, in three languages, by ids. {0}, {1}: arguments.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attune/explain/explanation.h"

namespace attune::explain {

struct Message {
  std::string_view id, english, vietnamese, russian;
};

// Throws an Error for an id that no table has.
const Message& find_message(std::string_view id);
std::string message(std::string_view id, Language language, const std::vector<std::string>& arguments = {});

Language language_of_name(const std::string& name);  // en, vi, ru
std::string_view code_of(Language language);

// All tables together, for tests.
std::vector<Message> all_messages();

// ---- The tables, one per subject --------------------------------------------------------------------------
std::span<const Message> frame_messages();      // titles, sections, words of the layout
std::span<const Message> attention_messages();  // what is common, and scaled_dot
std::span<const Message> source_messages();
std::span<const Message> recurrent_messages();  // and mean, convolution
std::span<const Message> gating_messages();
std::span<const Message> sparse_messages();   // patterns and global tokens
std::span<const Message> hashing_messages();  // lsh
std::span<const Message> feature_messages();  // linear, performer, linformer, nystrom
std::span<const Message> topic_messages();    // positions, initialisers, complexity
std::span<const Message> attention_positions_messages();

}  // namespace attune::explain
