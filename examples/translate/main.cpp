// Translates each line of standard input with a model that `attune train` made: translate MODEL < source > translation
#include <attune/decode/translator.h>
#include <attune/models/model_directory.h>

#include <iostream>

int main(int argc, char** argv) try {
  const attune::LoadedModel loaded = attune::load_model(argc > 1 ? argv[1] : "model");
  const attune::Translator translator(*loaded.model, *loaded.tokenizers.source, *loaded.tokenizers.target);
  const auto next = [line = std::string()]() mutable {
    return std::getline(std::cin, line) ? std::optional(line) : std::nullopt;
  };
  translator.translate_stream(next, attune::TranslateOptions{},
                              [](const auto&, const attune::Translation& translation) {
                                std::cout << translation.candidates.front().text << '\n';
                              });
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
