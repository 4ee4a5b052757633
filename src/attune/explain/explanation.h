// What `attune explain` shows, as data: steps in order, each with its equation, its numbers and, where it is a
// gradient, the finite difference beside it. Renderers (render.h) lay it out; texts come from messages.h by their ids.
#pragma once

#include <string>
#include <vector>

#include "attune/tensor/tensor.h"

namespace attune::explain {

enum class Language : uint8_t { english, vietnamese, russian };
enum class Convention : uint8_t { row, column };  // X W, tokens are rows; W X, tokens are columns
enum class View : uint8_t { vector, matrix };

struct Labels {
  std::vector<std::string> rows, columns;  // or empty
  int longest = 14;                        // characters of one that the text form shows
};

// A number times a row, or times a number; a term of a sum.
struct WrittenRow {
  std::string name;  // "b_1", in the notation of equation.h
  struct Term {
    double factor;
    std::vector<double> of;
  };
  std::vector<Term> terms;  // their sum, with what stands behind it, is the value
  std::string rest;         // " / sqrt(d)"
  std::string function;     // of that sum: "exp"
  std::vector<double> value;
};

struct Step {
  std::string name;                         // never changes: scripts read it
  std::string equation;                     // in the notation of equation.h, tokens as rows
  std::string text;                         // a message's id
  std::vector<std::string> arguments = {};  // of the message
  Tensor value;  // float64, tokens as rows, [rows, columns] or [heads, rows, columns]; hidden cells NaN
  Tensor finite_difference = {};  // of the same shape, or not given
  Labels labels = {};
  // What the vector view shows: the equation of one row or element (empty: the same), and with its numbers put in, of
  // the first row or of all.
  std::string vector_equation = {};
  std::vector<WrittenRow> written_out = {};
  bool all_rows = false;
};

struct Section {
  std::string title;  // a message's id
  std::vector<Step> steps;
};

struct Explanation {
  std::string title, introduction;          // messages' ids
  std::vector<std::string> arguments = {};  // of the introduction
  std::vector<Section> sections;
};

}  // namespace attune::explain
