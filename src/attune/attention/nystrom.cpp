#include "attune/attention/nystrom.h"

#include "attune/attention/landmarks.h"
#include "attune/attention/scaled_dot.h"
#include "attune/attention/value_convolution.h"
#include "attune/autograd/recorder.h"
#include "attune/base/profile.h"
#include "attune/ops/arithmetic.h"

namespace attune::attention {

Tensor nystrom(const Tensor& q, const Tensor& k, const Tensor& v, const Segments& segments,
               const NystromOptions& options) {
  check_usage(!options.causal,
              "nystrom: there is no causal form, since landmarks are means over later tokens as well; for a decoder "
              "choose a mechanism that has one, such as scaled_dot, performer or linear");
  check_usage(options.landmarks >= 1 && options.rounds >= 0, "nystrom: ", options.landmarks, " landmarks and ",
              options.rounds, " rounds, expected at least 1 and 0");
  check(q.rank() == 3 && k.shape() == q.shape() && v.rank() == 3 && v.size(0) == q.size(0) && v.size(1) == q.size(1),
        "nystrom: q ", q.shape(), ", k ", k.shape(), ", v ", v.shape(),
        ", expected [rows, heads, depth], of the same tokens and heads");
  check(segments.rows() == q.size(0), "nystrom: the segments cover ", segments.rows(), " rows, q has ", q.size(0));
  const ProfileScope scope("nystrom");
  const Segments landmarks = landmark_segments(segments, options.landmarks);
  const Tensor q_means = recorded("Q_m", landmark_means(q, segments, landmarks));
  const Tensor k_means = recorded("K_m", landmark_means(k, segments, landmarks));
  const auto attended = [](const char* part, auto&& attention) {
    const RecordedPart named(part);
    return attention().out;
  };
  const Tensor read =  // B V
      recorded("V_m", attended("B", [&] { return scaled_dot(q_means, k, v, landmarks, segments); }));
  const Tensor solved =  // A+ (B V)
      recorded("U_m", landmark_inverse(q_means, k_means, read, landmarks, options.rounds));
  const Tensor out =  // F A+ (B V)
      attended("F", [&] { return scaled_dot(q, k_means, solved, segments, landmarks); });
  return options.convolution ? add(out, value_convolution(v, options.convolution, segments)) : out;
}

}  // namespace attune::attention
