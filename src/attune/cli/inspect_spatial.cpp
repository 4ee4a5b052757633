// attune inspect spatial: the matrices by which spatial gating adds up positions, and how near to Toeplitz they are.
#include <nlohmann/json.hpp>

#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/cli/command.h"
#include "attune/cli/console.h"
#include "attune/cli/option_table.h"
#include "attune/inspect/inspection_text.h"
#include "attune/inspect/inspector.h"
#include "attune/inspect/spatial_weights.h"
#include "attune/models/model_directory.h"
#include "attune/models/task.h"

namespace attune::cli {

namespace {

const About about{
    "inspect spatial", "--model DIR [--format svg --output spatial.svg] [flags]",
    "Shows the spatial matrices W of a trained gMLP or aMLP, which are the same for every sentence: for each layer and "
    "head how large the weights are, what they mix on average, and their Toeplitz share, the part of their variance "
    "that the distance between two positions explains (1: W is a convolution, 0: distance says nothing). As SVG the "
    "matrices themselves.",
    "  attune inspect spatial --model my-gmlp\n"
    "  attune inspect spatial --model my-gmlp --length 32 --format svg --output spatial.svg\n"};

std::vector<AttentionMap> maps_of(const Network& model, int length) {
  std::vector<AttentionMap> maps = spatial_maps(model, AttentionKind::encoder_spatial, length);
  for (AttentionMap& map : spatial_maps(model, AttentionKind::decoder_spatial, length)) {
    maps.push_back(std::move(map));
  }
  return maps;
}

std::string part_of(const AttentionMap& map) {
  return map.kind == AttentionKind::encoder_spatial ? "encoder" : "decoder";
}

std::string as_text(const std::vector<AttentionMap>& maps) {
  std::string text =
      fmt::format("{:<8} {:>5} {:>5} {:>10} {:>9} {:>9}\n", "", "layer", "head", "mean |W|", "distance", "Toeplitz");
  for (const AttentionMap& map : maps) {
    text += fmt::format("{:<8} {:>5} {:>5} {:>10.5f} {:>9.2f} {:>9}\n", part_of(map), map.layer, map.head,
                        mean_magnitude(map), map.statistics.distance,
                        map.toeplitz ? fmt::format("{:.3f}", *map.toeplitz) : "-");
  }
  return text;
}

std::string as_json(const std::vector<AttentionMap>& maps, int length) {
  nlohmann::ordered_json json{{"length", length}, {"matrices", nlohmann::ordered_json::array()}};
  for (const AttentionMap& map : maps) {
    nlohmann::ordered_json row{{"part", part_of(map)},
                               {"layer", map.layer},
                               {"head", map.head},
                               {"mean_magnitude", mean_magnitude(map)},
                               {"distance", map.statistics.distance}};
    row["toeplitz"] = map.toeplitz ? nlohmann::ordered_json(*map.toeplitz) : nlohmann::ordered_json();
    json["matrices"].push_back(std::move(row));
  }
  return json.dump() + "\n";
}

// As if one sentence of that length had been looked at, whose pieces are its positions.
Inspections picture_of(std::vector<AttentionMap> maps, const Network& model, const std::string& directory, int length) {
  InspectedSentence sentence;
  InspectedHypothesis hypothesis;
  for (int i = 0; i < length; ++i) {
    sentence.source.push_back({std::to_string(i), -1});
  }
  hypothesis.read = hypothesis.written = sentence.source;
  for (AttentionMap& map : maps) {
    (asks_in_source(map.kind) ? sentence.maps : hypothesis.maps).push_back(std::move(map));
  }
  sentence.text = fmt::format("Spatial weights of {} positions", length);
  hypothesis.text = "Decoder";
  if (!hypothesis.maps.empty()) {
    sentence.hypotheses.push_back(std::move(hypothesis));
  }
  Inspection inspection = inspection_of(model, directory, {});
  inspection.sentences.push_back(std::move(sentence));
  return {{std::move(inspection)}, false};
}

}  // namespace

int inspect_spatial(const Arguments& arguments) {
  std::string directory, format = "text", output;
  int length = 0;
  OptionTable table(about);
  table.add("model", &directory, "a model directory made by attune train", {1, 1, "DIR"});
  table.add("length", &length, "only what sentences of so many positions use; 0: all of W");
  table.add("format", &format, "text, json or svg", {1, 1, "NAME"});
  table.add("output", &output, "where the result goes; not given: standard output", {1, 1, "FILE"});
  if (table.parse(arguments) == OptionTable::Outcome::help) {
    return success;
  }
  check_word("format", format, {"text", "json", "svg"});
  check_usage(!directory.empty(), "--model is missing: the directory of a trained model");
  const ModelConfig config = load_config(directory);
  const auto model = make_network(config);
  const int longest = model->config().max_positions;
  check_whole("length", length, {0, longest});
  load_weights(*model, directory);
  const int shown = length == 0 ? longest : length;
  const std::vector<AttentionMap> maps = maps_of(*model, shown);
  check_usage(!maps.empty(), directory,
              ": expected a model whose encoder-mixer or decoder-mixer is spatial_gating, got ", config.encoder_mixer,
              is_encoder_task(config) ? "" : " and " + config.decoder_mixer);
  write_result(output, format == "svg"    ? to_svg(picture_of(maps, *model, directory, shown))
                       : format == "json" ? as_json(maps, shown)
                                          : as_text(maps));
  return success;
}

}  // namespace attune::cli
