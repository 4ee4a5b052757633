// Finds the command, runs it, and turns whatever goes wrong into one line on standard error and an exit code:
// 0 done, 1 failed, 2 called wrongly, 130 interrupted.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <new>
#include <string_view>

#include "attune/base/check.h"
#include "attune/base/profile.h"
#include "attune/cli/command.h"
#include "attune/cli/completion.h"
#include "attune/cli/console.h"
#include "attune/cli/profile_report.h"
#include "attune/cli/version.h"
#include "attune/tensor/atomic_file.h"

namespace attune::cli {

std::span<const Command> commands() {
  static constexpr std::array list{
      Command{"demo", "the whole way on a corpus made here: train, translate, measure; minutes", demo},
      Command{"corpus", "write a generated corpus: a grammar, sequences to copy, nested lists", corpus},
      Command{"train", "train a model on parallel text", train},
      Command{"compare", "train several configs on the same data and measure them in one table", compare},
      Command{"translate", "translate standard input, line by line", translate},
      Command{"generate", "text that a language model goes on with", generate},
      Command{"fill-mask", "the words that a masked language model puts in the place of [MASK]", fill_mask},
      Command{"classify", "labels of texts, words or images, with their probabilities", classify},
      Command{"evaluate", "BLEU of translations, or how good a model is on a test file", evaluate},
      Command{"inspect", "what a trained model looks at, as a page or as data", inspect_model},
      Command{"score", "log-probability of given translations", score},
      Command{"diff", "the first module in which two models part", diff},
      Command{"bench", "measure this machine and the program on it", bench},
      Command{"describe", "the parts, size and cost of a model", describe_model},
      Command{"explain", "every number of a mechanism, forward and backward", explain_mechanism},
  };
  return list;
}

namespace {

std::string overview() {
  std::string text =
      "Attune trains, runs and looks inside attention models.\n\nUsage: attune COMMAND [flags]\n\nCommands:\n";
  for (const Command& command : commands()) {
    text += fmt::format("  {:<10} {}\n", command.name, command.purpose);
  }
  return text +
         "\nattune COMMAND --help explains a command, with an example.\n"
         "attune --profile COMMAND ... says in the end where the time went; --profile=FILE writes that as JSON, too.\n"
         "attune --version says what this is.\n"
         "attune --completion bash prints what completes commands and flags in bash.\n";
}

int dispatch(const Arguments& arguments) {
  const std::string word = arguments.empty() ? "--help" : arguments.front();
  if (word == "help" && arguments.size() > 1) {
    return dispatch({arguments[1], "--help"});
  }
  if (word == "--help" || word == "-h" || word == "help") {
    print(overview());
    return arguments.empty() ? usage_failure : success;
  }
  if (word == "--version") {
    print("{}\n", version_line());
    return success;
  }
  if (word == "--completion") {
    check_usage(arguments == Arguments{"--completion", "bash"}, "--completion: expected bash and nothing else");
    print(bash_completion());
    return success;
  }
  return run_named(commands(), arguments, {word.starts_with('-') ? "unknown flag" : "unknown command", "attune "});
}

// Runs `work` and turns what it throws into a message and an exit code.
int guarded(const std::function<int()>& work) {
  try {
    const int code = work();
    flush_output();
    return code;
  } catch (const ClosedPipe&) {
    return failure;
  } catch (const UsageError& error) {
    error_line(error.what());
    return usage_failure;
  } catch (const std::bad_alloc&) {
    error_line(out_of_memory);
    return failure;
  } catch (const std::exception& error) {
    error_line(error.what());
    return failure;
  }
}

// --profile or --profile=FILE stands in front of the command; the tree comes last, however the command ended.
int run_profiled(const std::string& flag, const Arguments& arguments) {
  const size_t equals = flag.find('=');
  const std::string file = equals == std::string::npos ? "" : flag.substr(equals + 1);
  const int refused = guarded([&] {
    check_usage(equals == std::string::npos || !file.empty(), "--profile=: expected the name of a file behind it");
    check_usage(!arguments.empty(), flag, ": expected a command behind it, as in attune --profile train ...");
    return success;
  });
  if (refused != success) {
    return refused;
  }
  Profile profile;
  const int code = guarded([&] { return dispatch(arguments); });
  const ProfileTree tree = profile.stop();
  if (code == usage_failure && tree.total.children.empty()) {  // nothing has been run
    return code;
  }
  const int written = guarded([&] {
    note("\n{}", profile_text(tree));
    if (!file.empty()) {
      write_file_atomically(file, profile_json(tree));
    }
    return success;
  });
  return code == success ? written : code;
}

int run(const Arguments& arguments) {
  if (!arguments.empty() && (arguments[0] == "--profile" || arguments[0].starts_with("--profile="))) {
    return run_profiled(arguments[0], {arguments.begin() + 1, arguments.end()});
  }
  return guarded([&] { return dispatch(arguments); });
}

}  // namespace

}  // namespace attune::cli

namespace {

// While a thread waits for the others, GNU OpenMP lets it spin for milliseconds; when anything else runs on the machine
// that costs a multiple of the time saved. It reads its settings when it is loaded, so they can only be given to a new
// start of the program. A user's own setting wins.
void wait_politely(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) {
    return;
  }
  setenv("GOMP_SPINCOUNT", "20000", 1);  // some 10 microseconds
  execv("/proc/self/exe", argv);         // where that fails, the program goes on as it is
}

// A file opened while one of the three is closed would take its number, and with it what is meant for the stream.
void hold_standard_streams() {
  for (int descriptor = 0; descriptor < 3; ++descriptor) {
    if (fcntl(descriptor, F_GETFD) < 0) {
      open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);  // the other way round: its use fails
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  hold_standard_streams();
  wait_politely(argv);
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe shows as a failed write
  return attune::cli::run({argv + 1, argv + argc});
}
