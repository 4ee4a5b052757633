// One run of a mechanism's definition on the tape, with every quantity on the way kept by name: those that are tensors
// between ops, and through a Recorder those inside of an op. The same run with one element of one quantity moved a
// little gives the finite differences, so that forward, backward and their check are the same code.
#pragma once

#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "attune/autograd/recorder.h"
#include "attune/tensor/tensor.h"

namespace attune::explain {

using Quantities = std::map<std::string, Tensor>;

class Calculation {
 public:
  struct Nudge {
    std::string name;
    int64_t element = 0;
    double offset = 0;
  };

  explicit Calculation(const Quantities& inputs, std::optional<Nudge> nudge = {});

  Tensor input(const std::string& name);
  bool given(const std::string& name) const { return inputs_.count(name) == 1; }
  // The value to go on with. Names are unique.
  Tensor keep(const std::string& name, const Tensor& value);
  // From now on what definitions hand over as `handed` belongs to `name`; what they hand nothing for is `hidden`: NaN
  // where there is no such number, 0 for weights. "dP" is the gradient of "P".
  void expect(const std::string& handed, const std::string& name, const Shape& shape, double hidden = NAN);
  // From now on a definition's tensor of this name, of one head, is kept as a matrix.
  void expect_tensor(const std::string& name) { expected_tensors_.insert(name); }

  const Quantities& values() const { return values_; }
  const Quantities& kept() const { return kept_; }  // the tensors themselves, for the tape

 private:
  void receive(const Recorder::Row& row);
  Tensor take(std::string_view name, const Tensor& value);

  const Quantities& inputs_;
  std::optional<Nudge> nudge_;
  Quantities values_, kept_;
  std::map<std::string, std::string> expected_;
  std::set<std::string, std::less<>> expected_tensors_;
  Recorder recorder_;
};

using Forward = std::function<Tensor(Calculation&)>;  // gives the loss, a scalar

struct Calculated {
  Quantities values, gradients;  // by the quantity's name: gradients["Q"] is dQ
  double loss = 0;
};

Calculated calculate(const Forward& forward, const Quantities& inputs);

// dloss / d name, element by element but where its gradient is hidden.
Tensor finite_difference(const Forward& forward, const Quantities& inputs, const std::string& name,
                         const Tensor& gradient);

}  // namespace attune::explain
