// A Chromium that tests drive through the DevTools protocol over a pipe: messages of JSON, each ended by a NUL byte, on
// the browser's file descriptors 3 (to it) and 4 (from it). Headless, with a profile of its own, and ended with it.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace attune::testing {

// The path of an installed browser; nothing where there is none.
inline std::optional<std::string> installed_browser() {
  for (const char* path : {"/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"}) {
    if (access(path, X_OK) == 0) {
      return path;
    }
  }
  return {};
}

class Browser {
 public:
  using Json = nlohmann::json;

  // profile: a directory of its own. Throws when the browser does not answer.
  Browser(const std::string& program, const std::string& profile) {
    start(program, profile);
    const std::string target = call("Target.createTarget", {{"url", "about:blank"}})["targetId"];
    session_ = call("Target.attachToTarget", {{"targetId", target}, {"flatten", true}})["sessionId"];
    call("Page.enable", Json::object());
    call("Runtime.enable", Json::object());
    call("Log.enable", Json::object());
    call("Network.enable", Json::object());
    call("Network.emulateNetworkConditions",
         {{"offline", true}, {"latency", 0}, {"downloadThroughput", 0}, {"uploadThroughput", 0}});
  }
  ~Browser() {
    kill(-id_, SIGKILL);  // the group that it leads
    waitpid(id_, nullptr, 0);
    close(to_);
    close(from_);
  }
  Browser(const Browser&) = delete;
  Browser& operator=(const Browser&) = delete;

  Json call(const std::string& method, const Json& parameters) {
    Json message{{"id", ++last_}, {"method", method}, {"params", parameters}};
    if (!session_.empty()) {
      message["sessionId"] = session_;
    }
    write_all(message.dump());
    while (true) {
      const Json reply = next_message();
      if (reply.value("id", 0) == last_) {
        if (reply.contains("error")) {
          throw std::runtime_error(method + ": " + reply["error"].dump());
        }
        return reply["result"];
      }
      note_event(reply);
    }
  }

  // Opens a file and waits until `drawn`, an expression, is true of its page.
  void open(const std::string& path, const std::string& drawn) {
    evaluate("window.before = true");  // the page before has it until it goes
    call("Page.navigate", {{"url", "file://" + path}});
    wait_for("window.before === undefined && document.readyState === 'complete' && (" + drawn + ")");
  }
  void wait_for(const std::string& condition) {
    const auto patience = std::chrono::steady_clock::now() + limit;
    while (evaluate("Boolean(" + condition + ")") != true) {
      if (std::chrono::steady_clock::now() > patience) {
        throw std::runtime_error("never came true: " + condition);
      }
      usleep(20'000);
    }
  }
  // The value of an expression, as JSON.
  Json evaluate(const std::string& expression) {
    const Json result =
        call("Runtime.evaluate", {{"expression", expression}, {"returnByValue", true}, {"awaitPromise", true}});
    if (result.contains("exceptionDetails")) {
      throw std::runtime_error(expression + ": " + result["exceptionDetails"].dump());
    }
    return result["result"].contains("value") ? result["result"]["value"] : Json();
  }
  // A key by its name in events: "Tab", "Enter", "ArrowLeft".
  void press(const std::string& key, bool shift = false) {
    const int code = key == "Tab"          ? 9
                     : key == "Enter"      ? 13
                     : key == "Escape"     ? 27
                     : key == "End"        ? 35
                     : key == "Home"       ? 36
                     : key == "ArrowLeft"  ? 37
                     : key == "ArrowUp"    ? 38
                     : key == "ArrowRight" ? 39
                     : key == "ArrowDown"  ? 40
                                           : 32;
    Json event{{"type", "rawKeyDown"},
               {"key", key},
               {"code", key},
               {"windowsVirtualKeyCode", code},
               {"modifiers", shift ? 8 : 0}};
    call("Input.dispatchKeyEvent", event);
    event["type"] = "keyUp";
    call("Input.dispatchKeyEvent", event);
  }
  void point(double x, double y) { call("Input.dispatchMouseEvent", {{"type", "mouseMoved"}, {"x", x}, {"y", y}}); }
  void size(int width, int height) {
    call("Emulation.setDeviceMetricsOverride",
         {{"width", width}, {"height", height}, {"deviceScaleFactor", 1}, {"mobile", false}});
  }
  void prefer(const std::string& scheme) {
    call("Emulation.setEmulatedMedia",
         {{"features", Json::array({{{"name", "prefers-color-scheme"}, {"value", scheme}}})}});
  }
  // The whole page as PNG in base64.
  std::string screenshot() {
    return call("Page.captureScreenshot", {{"format", "png"}, {"captureBeyondViewport", true}})["data"];
  }

  std::vector<std::string> complaints;  // console messages, exceptions, log entries, requests for anything but the file

 private:
  static constexpr std::chrono::seconds limit{30};

  void start(const std::string& program, const std::string& profile) {
    std::array<int, 2> in{}, out{};
    if (pipe2(in.data(), O_CLOEXEC) != 0 || pipe2(out.data(), O_CLOEXEC) != 0) {
      throw std::runtime_error("no pipe");
    }
    const std::string directory = "--user-data-dir=" + profile;
    id_ = fork();
    if (id_ == 0) {
      setpgid(0, 0);
      // Out of the way of 3 and 4 first: either may be one of the pipes' own numbers.
      const int reads = fcntl(in[0], F_DUPFD, 10), writes = fcntl(out[1], F_DUPFD, 10);
      dup2(reads, 3);
      dup2(writes, 4);
      const int nowhere = ::open("/dev/null", O_RDWR);
      dup2(nowhere, 0);
      dup2(nowhere, 1);
      dup2(nowhere, 2);
      execl(program.c_str(), program.c_str(), "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-dev-shm-usage", "--disable-extensions", "--disable-background-networking", "--hide-scrollbars",
            "--remote-debugging-pipe", directory.c_str(), nullptr);
      _exit(127);
    }
    setpgid(id_, id_);
    close(in[0]);
    close(out[1]);
    to_ = in[1];
    from_ = out[0];
  }

  void write_all(std::string text) {
    text += '\0';
    for (size_t done = 0; done < text.size();) {
      const ssize_t count = write(to_, text.data() + done, text.size() - done);
      if (count <= 0) {
        throw std::runtime_error("the browser does not listen");
      }
      done += static_cast<size_t>(count);
    }
  }

  Json next_message() {
    const auto patience = std::chrono::steady_clock::now() + limit;
    while (true) {
      if (const size_t end = received_.find('\0'); end != std::string::npos) {
        const std::string text = received_.substr(0, end);
        received_.erase(0, end + 1);
        return Json::parse(text);
      }
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(patience - std::chrono::steady_clock::now());
      pollfd waiting{from_, POLLIN, 0};
      if (left.count() <= 0 || poll(&waiting, 1, static_cast<int>(left.count())) <= 0) {
        throw std::runtime_error("the browser does not answer");
      }
      std::array<char, 65536> buffer{};
      const ssize_t count = read(from_, buffer.data(), buffer.size());
      if (count <= 0) {
        throw std::runtime_error("the browser ended");
      }
      received_.append(buffer.data(), static_cast<size_t>(count));
    }
  }

  void note_event(const Json& message) {
    const std::string method = message.value("method", "");
    const bool request = method == "Network.requestWillBeSent" &&
                         !message["params"]["request"]["url"].get<std::string>().starts_with("file:") &&
                         !message["params"]["request"]["url"].get<std::string>().starts_with("data:");
    if (method == "Runtime.consoleAPICalled" || method == "Runtime.exceptionThrown" || method == "Log.entryAdded" ||
        request) {
      complaints.push_back(message["params"].dump());
    }
  }

  pid_t id_ = -1;
  int to_ = -1, from_ = -1, last_ = 0;
  std::string session_, received_;
};

}  // namespace attune::testing
