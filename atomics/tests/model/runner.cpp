// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "model.hpp"

// The program that explores the scenarios that are linked into it.
//
//     PROGRAM                  all scenarios, within their bounds
//     PROGRAM NAME…            these scenarios; of one that fails, the steps of its last execution
//     PROGRAM --sites          the operations of headers that the scenarios execute
//     PROGRAM --weaken         each of these operations with each weaker order: which scenario fails
//     PROGRAM --executions=N   at most N executions of each scenario
//     PROGRAM --depth=N        with N preemptions and N stale reads, or more at random for N = 4
//     PROGRAM --part=I/N       with --weaken: the I-th of N parts of the operations
//     PROGRAM --files=TEXT     with --weaken: those in files with this text in their path, or with
//                              one of several such texts
//     PROGRAM --weaken NAME…   with these scenarios only
namespace cereggii::model {
namespace {

Scenario* scenarios = nullptr;

// The seed of the random executions. It is the same each time, so a failure can be repeated.
constexpr std::uint64_t seed = 20'220'613;

// An operation in a source.
struct Site {
    std::string file;
    std::uint32_t line;
    std::uint32_t column;
    Kind kind;
    Order order;
    auto operator<=>(const Site&) const = default;
};
// The scenarios that execute an operation.
using Sites = std::map<Site, std::vector<const Scenario*>>;

struct Verdict {
    bool failed = false;
    bool is_complete = false;  // all executions within the bounds were explored
    std::uint64_t executions = 0;
};

Verdict explore(const Scenario& scenario, const Bounds& bounds, const Weakening* weakening,
                Search search) {
    Execution& execution = Execution::current();
    Verdict verdict;
    do {
        ++verdict.executions;
        if (!execution.run(scenario.body, search, bounds, weakening)) {
            verdict.failed = true;
            execution.is_recording = true;
            search.repeat();
            execution.run(scenario.body, search, bounds, weakening);
            execution.is_recording = false;
            return verdict;
        }
        if (!search.is_repeatable()) {
            std::fprintf(stderr, "%s depends on something else than the checker's choices\n",
                         scenario.name);
            std::abort();
        }
        if (verdict.executions == bounds.executions) return verdict;
    } while (search.next());
    verdict.is_complete = true;
    return verdict;
}

// How far from the simplest execution a scenario is explored: three depths in order, and then more
// at random.
constexpr int random_depth = 4;

Bounds bounds_at(int depth, const Scenario& scenario, std::uint64_t most) {
    Bounds bounds = scenario.bounds;
    bounds.at_random |= depth == random_depth;
    // In a scenario without preemptions, threads take turns.
    if (bounds.preemptions > 0)
        bounds.preemptions = bounds.at_random ? 2 * bounds.preemptions + 2 : depth;
    bounds.stale_reads = bounds.at_random ? 2 * bounds.stale_reads + 2 : depth;
    bounds.executions = most;
    return bounds;
}

Search search_within(const Bounds& bounds) {
    return bounds.at_random ? Search::at_random(seed) : Search::in_order();
}

void print_steps() {
    for (const std::string& step : Execution::current().steps)
        std::printf("    %s\n", step.c_str());
}

bool judge(const Scenario& scenario, const Bounds& bounds, bool is_detailed) {
    const Verdict verdict = explore(
        scenario, bounds, nullptr, bounds.at_random ? Search::at_random(seed) : Search::in_order());
    const bool ok = verdict.failed == scenario.fails;
    std::printf("%s  %s: ", ok ? "ok    " : "FAILED", scenario.name);
    if (verdict.failed)
        std::printf("fails in execution %llu: %s\n",
                    static_cast<unsigned long long>(verdict.executions),
                    Execution::current().failure().c_str());
    else
        std::printf("holds in %llu executions%s with %d preemptions and %d stale reads\n",
                    static_cast<unsigned long long>(verdict.executions),
                    verdict.is_complete ? ", which are all" : "", bounds.preemptions,
                    bounds.stale_reads);
    if (verdict.failed && (is_detailed || !ok)) print_steps();
    std::fflush(stdout);
    return ok;
}

// Whether a scenario is one of these, or none are named.
bool is_among(const Scenario& scenario, const std::vector<std::string_view>& names) {
    return names.empty() || std::find(names.begin(), names.end(), scenario.name) != names.end();
}

Sites find_sites(const std::vector<std::string_view>& names) {
    Sites sites;
    Execution& execution = Execution::current();
    for (const Scenario* scenario = scenarios; scenario; scenario = scenario->next) {
        if (scenario->fails || !is_among(*scenario, names)) continue;
        // Operations that are noted already: this is called for each operation of each execution.
        std::unordered_set<std::uint64_t> seen;
        execution.on_operation = [&](const Where& where, Kind kind, Order order) {
            const OutsideOfExecution outside;
            const auto name = reinterpret_cast<std::uintptr_t>(where.file_name());
            const std::uint64_t number =
                (std::uint64_t{where.line()} << 20 ^ std::uint64_t{where.column()} << 8 ^
                 static_cast<std::uint64_t>(kind) << 4 ^ static_cast<std::uint64_t>(order)) +
                (static_cast<std::uint64_t>(name) << 40);
            if (!seen.insert(number).second) return;
            const std::string_view file = where.file_name();
            if (file.ends_with("_model.cpp")) return;
            auto& users = sites[{std::string(file), where.line(), where.column(), kind, order}];
            if (users.empty() || users.back() != scenario) users.push_back(scenario);
        };
        Bounds bounds = scenario->bounds;
        bounds.executions = std::min<std::uint64_t>(bounds.executions, 1'000);
        explore(*scenario, bounds, nullptr, Search::in_order());
        explore(*scenario, bounds, nullptr, Search::at_random(seed));
    }
    execution.on_operation = nullptr;
    return sites;
}

// The orders that are one step weaker.
std::vector<Order> weaker(Kind kind, Order order) {
    switch (order) {
        case std::memory_order_seq_cst:
            if (kind == Kind::load || kind == Kind::failure) return {std::memory_order_acquire};
            if (kind == Kind::store) return {std::memory_order_release};
            return {std::memory_order_acq_rel};
        case std::memory_order_acq_rel:
            return {std::memory_order_acquire, std::memory_order_release};
        case std::memory_order_relaxed: return {};
        default: return {std::memory_order_relaxed};
    }
}

const char* text_of(Order order) {
    static constexpr const char* texts[] = {"relaxed", "consume", "acquire",
                                            "release", "acq_rel", "seq_cst"};
    return texts[static_cast<int>(order)];
}
const char* text_of(Kind kind) {
    static constexpr const char* texts[] = {"load", "store", "update", "failure", "fence"};
    return texts[static_cast<int>(kind)];
}

// The scenario that fails with a weakening, and in how many executions: first near the simplest
// execution, then further away, then at random.
std::optional<std::pair<const Scenario*, std::uint64_t>> find_failure(
    const std::vector<const Scenario*>& users, const Weakening& weakening, std::uint64_t most) {
    for (int depth = 1; depth <= random_depth; ++depth)
        for (const Scenario* scenario : users) {
            if (scenario->bounds.at_random && depth != random_depth) continue;
            const Bounds bounds = bounds_at(depth, *scenario, most);
            const Verdict verdict = explore(*scenario, bounds, &weakening, search_within(bounds));
            if (verdict.failed) return std::pair(scenario, verdict.executions);
        }
    return std::nullopt;
}

void print_sites(const Sites& sites) {
    for (const auto& [site, users] : sites)
        std::printf("%s\t%u\t%u\t%s\t%s\n", site.file.c_str(), site.line, site.column,
                    text_of(site.kind), text_of(site.order));
}

// Which operations are weakened.
struct Part {
    std::vector<std::string_view> files;
    std::size_t number = 0;
    std::size_t of = 1;

    bool has(std::string_view file) const {
        return files.empty() || std::any_of(files.begin(), files.end(), [&](std::string_view text) {
                   return file.find(text) != std::string_view::npos;
               });
    }
};

void weaken_all(const Sites& sites, const Part& part, std::uint64_t most) {
    std::size_t index = 0;
    for (const auto& [site, users] : sites) {
        if (!part.has(site.file)) continue;
        if (index++ % part.of != part.number) continue;
        for (const Order order : weaker(site.kind, site.order)) {
            const Weakening weakening{site.file, site.line, site.column, site.kind, order};
            const auto failure = find_failure(users, weakening, most);
            std::printf("%s\t%u\t%u\t%s\t%s\t%s\t", site.file.c_str(), site.line, site.column,
                        text_of(site.kind), text_of(site.order), text_of(order));
            if (failure)
                std::printf("%s\t%llu\t%s\n", failure->first->name,
                            static_cast<unsigned long long>(failure->second),
                            Execution::current().failure().c_str());
            else
                std::printf("-\t0\tnot caught\n");
            std::fflush(stdout);
        }
    }
}

int run(int count, char** arguments) {
    std::vector<std::string_view> names;
    std::uint64_t executions = 0;
    bool only_sites = false, weakens = false;
    int depth = 0;
    Part part;
    for (int i = 1; i < count; ++i) {
        const std::string_view argument = arguments[i];
        if (argument == "--sites")
            only_sites = true;
        else if (argument == "--weaken")
            weakens = true;
        else if (argument.starts_with("--executions="))
            executions = std::strtoull(argument.substr(13).data(), nullptr, 10);
        else if (argument.starts_with("--part=")) {
            part.number = std::strtoull(argument.data() + 7, nullptr, 10);
            part.of = std::strtoull(std::strchr(argument.data(), '/') + 1, nullptr, 10);
        } else if (argument.starts_with("--depth="))
            depth = std::atoi(argument.data() + 8);
        else if (argument.starts_with("--files="))
            part.files.push_back(argument.substr(8));
        else
            names.push_back(argument);
    }
    if (only_sites) return print_sites(find_sites(names)), 0;
    if (weakens) return weaken_all(find_sites(names), part, executions ? executions : 200'000), 0;
    bool ok = true, any = false;
    for (const Scenario* scenario = scenarios; scenario; scenario = scenario->next) {
        if (!is_among(*scenario, names)) continue;
        any = true;
        Bounds bounds = scenario->bounds;
        if (executions) bounds.executions = std::min(bounds.executions, executions);
        if (depth) bounds = bounds_at(depth, *scenario, bounds.executions);
        ok &= judge(*scenario, bounds, !names.empty());
    }
    return ok && any ? 0 : 1;
}

}  // namespace

Scenario::Scenario(const char* its_name, void (*its_body)(), const Bounds& its_bounds,
                   bool it_fails)
    : name(its_name), body(its_body), bounds(its_bounds), fails(it_fails) {
    Scenario** last = &scenarios;
    while (*last) last = &(*last)->next;
    *last = this;
}

}  // namespace cereggii::model

int main(int count, char** arguments) { return cereggii::model::run(count, arguments); }
