// Parallel loops on OpenMP, the pool oneDNN uses too. A loop body owns the indices it is given and shares nothing, so
// results never depend on the thread count; whoever reduces over chunks must fix the chunks, not derive them from
// threads.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>

namespace attune {

// Threads that parallel loops and products use. set_threads(0) means: all cores this process may use.
void set_threads(int count);
int threads();

namespace detail {
void parallel_for(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& body);
}

// Calls body(begin, end) on disjoint ranges that cover 0 ... count-1. `grain`: at least that many indices per call are
// worth a thread. Exceptions thrown by the body reach the caller. Inside a parallel loop it runs serially.
template <class Body>
void parallel_for(int64_t count, int64_t grain, Body&& body) {
  if (count <= 0) {
    return;
  }
  if (count <= grain || threads() == 1) {
    body(int64_t{0}, count);
    return;
  }
  detail::parallel_for(count, grain, std::forward<Body>(body));
}

// Same, handing out single indices dynamically: for items of very different cost.
void parallel_items(int64_t count, const std::function<void(int64_t)>& body);

}  // namespace attune
