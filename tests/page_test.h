// What tests of pages share: one browser for a suite, offline, that must have had nothing to complain about at the end
// of each test. Without an installed browser they are skipped.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "browser.h"
#include "program.h"

namespace attune::testing {

class PageTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (const auto program = installed_browser()) {
      place = new Workplace;
      browser = new Browser(*program, place->path("profile"));
    }
  }
  static void TearDownTestSuite() {
    delete browser;
    delete place;
    browser = nullptr;
    place = nullptr;
  }
  void SetUp() override {
    if (browser == nullptr) {
      GTEST_SKIP() << "no browser here: tools/install_packages.sh checks installs chromium";
    }
    browser->size(1200, 900);
    browser->prefer("light");
    browser->complaints.clear();
  }
  void TearDown() override {
    if (browser != nullptr) {
      EXPECT_TRUE(browser->complaints.empty()) << browser->complaints.front();
    }
  }

  static void open_text(const std::string& html, const std::string& drawn) {
    place->write("page.html", html);
    browser->open(place->path("page.html"), drawn);
  }
  static std::string in_quotes(const std::string& value) { return nlohmann::json(value).dump(); }
  static std::string text(const std::string& selector) {
    return browser->evaluate("document.querySelector(" + in_quotes(selector) + ").textContent");
  }
  static nlohmann::json value_of(const std::string& expression) { return browser->evaluate(expression); }
  static bool within(const std::string& selector) {
    return value_of("document.activeElement.closest(" + in_quotes(selector) + ") !== null");
  }
  // Tab until the focus is inside.
  static bool tab_to(const std::string& selector, bool backwards = false) {
    for (int i = 0; i < 30 && !within(selector); ++i) {
      browser->press("Tab", backwards);
    }
    return within(selector);
  }

  inline static Workplace* place = nullptr;
  inline static Browser* browser = nullptr;
};

// Of two colours as getComputedStyle gives them: 1 to 21 (WCAG 2).
inline double contrast(const std::string& a, const std::string& b) {
  const auto luminance = [](const std::string& colour) {
    double result = 0;
    int channels[3] = {};
    EXPECT_EQ(std::sscanf(colour.c_str(), "rgb(%d, %d, %d)", &channels[0], &channels[1], &channels[2]), 3) << colour;
    const double weights[3] = {0.2126, 0.7152, 0.0722};
    for (int i = 0; i < 3; ++i) {
      const double x = channels[i] / 255.0;
      result += weights[i] * (x <= 0.04045 ? x / 12.92 : std::pow((x + 0.055) / 1.055, 2.4));
    }
    return result;
  };
  const double x = luminance(a), y = luminance(b);
  return (std::max(x, y) + 0.05) / (std::min(x, y) + 0.05);
}

}  // namespace attune::testing
