// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "map/order.hpp"
#include "map/table.hpp"
#include "map/tuning.hpp"

// Where an iterator is: which hashes it has passed, and which ones come next.
//
//     all bundles of the part, in the order of positions (order.hpp), around the end
//
//     ┌──────────┬──────────┬──────────────────────────────┬──────────┐
//     │ bundle 0 │ bundle 1 │ …        ▲ bundle            │ last one │
//     └──────────┴──────────┴──────────┼───────────────────┴──────────┘
//                                      └ cell: of its 8 cells, by position
//                                          └ resume_at: so many hashes of the cell are passed
//
// Which bundles there are follows from the level and the part alone, so it does not change when
// tables come and go. Where there are more cells than parts are made of (Part::level), a part has
// the same bundles in each of several *rounds*. The low bits of a position choose the part, and the
// bits above them are the number of the round.
namespace cereggii::atomicdict {

// The level of an iterator's cells in this table.
inline int level_of(const Table& table) noexcept {
    return std::max(0, table.group_number_bits() - cell_group_bits);
}

class ScanCursor {
public:
    explicit ScanCursor(Part part) noexcept : part_(part) {}

    const Part& part() const noexcept { return part_; }
    // -1: the scan has not begun.
    int level() const noexcept { return level_; }
    bool has_begun() const noexcept { return level_ >= 0; }
    // The binary logarithm of the number of cells in a bundle.
    int bits_in_bundle() const noexcept { return std::min(level_, bundle_bits); }

    // At a cell of a bundle, the first hashes of which may be passed.
    struct Where {
        // How many bundles are not passed, this one included.
        std::uint64_t bundles_left = 0;
        // The number of the bundle.
        std::uint64_t bundle = 0;
        // The number of the cell in the bundle.
        std::uint64_t cell = 0;
        // How many hashes of the cell are passed.
        std::uint64_t resume_at = 0;
    };
    const Where& where() const noexcept { return where_; }
    void go_back_to(const Where& where) noexcept { where_ = where; }

    bool is_at_end() const noexcept { return where_.bundles_left == 0; }
    bool is_at_bundle() const noexcept { return where_.cell == 0 && where_.resume_at == 0; }
    void go_to_end() noexcept { where_.bundles_left = 0; }

    // Begins with the cells of this table, at `fraction` / 2^32 of the way around.
    void begin(const Table& largest, std::uint32_t fraction) noexcept {
        level_ = level_of(largest);
        rounds_ = level_ <= Part::level ? 1 : std::uint64_t{1} << (level_ - Part::level);
        const std::uint64_t all =
            level_ <= bundle_bits ? 1 : (std::uint64_t{1} << level_) / bundle_size;
        const std::uint64_t in_round = all / rounds_;
        // The bundles of a round that have positions of this part, around the end.
        first_bundle_ = part_.first_position() / bundle_size % in_round;
        const std::uint64_t last = first_bundle_ + part_.last_position() / bundle_size -
                                   part_.first_position() / bundle_size;
        bundles_ = std::min(last - first_bundle_ + 1, in_round) * rounds_;
        where_.bundles_left = bundles_;
        where_.bundle = std::uint64_t{fraction} * bundles_ >> 32;
    }

    // The first slot of the bundle at hand, and of the one after it, in a table of this level with
    // more than one bundle.
    std::size_t bundle_index() const noexcept { return index_of_bundle(where_.bundle); }
    std::size_t next_bundle_index() const noexcept { return index_of_bundle(after(where_.bundle)); }

    // Passes bundles that are the home of no key in `only`, which is the map's only table, and of
    // this level. Not more at a time than one pin should last. Returns how many it has passed.
    std::size_t skip_empty_bundles(const Table& only) noexcept {
        std::size_t skipped = 0;
        for (int i = 0; i < tuning::bundles_per_pin && !is_at_end() && is_at_bundle();
             ++i, ++skipped) {
            if (only.may_be_homes(position_of(where_.bundle))) break;
            end_bundle();
        }
        return skipped;
    }

    // A cell, or as much of it as is collected at a time.
    struct Cell {
        HashRange hashes;
        bool is_cut;  // some of its keys may belong to another part
    };
    struct Cells {
        std::array<Cell, bundle_size> cells;
        std::size_t count = 0;
    };

    // Passes the next cells, and returns them: those of this bundle, or as many as have about as
    // many slots as a bundle in the largest table. (A root may be much smaller than the table
    // behind it, and tables may have grown since the scan began.) If `only` is given, it is the
    // map's only table, and of this level: then cells that are the home of no key are left out.
    Cells next_cells(const Table& largest, const Table* only) noexcept {
        Cells next;
        const int finer = std::max(0, largest.group_number_bits() - level_);
        const std::uint64_t first = position_of(where_.bundle);
        const std::uint64_t size = std::uint64_t{1} << bits_in_bundle();
        const std::uint64_t in_cell = level_ == 0 ? UINT64_MAX : UINT64_MAX >> level_;
        std::uint64_t groups_left = groups_per_bundle;
        while (where_.cell < size && groups_left > 0) {
            const std::uint64_t position = first + where_.cell;
            bool is_cut = !part_.is_everything();
            if (is_cut && level_ >= Part::level) {
                const std::uint64_t in_round = position & ((std::uint64_t{1} << Part::level) - 1);
                if (in_round < part_.first_position() || part_.last_position() < in_round) {
                    end_cell();
                    continue;
                }
                is_cut = !part_.has_all_of(in_round);
            }
            if (only && !only->may_be_home(position)) {
                end_cell();
                continue;
            }
            HashRange hashes = cell_at(position, level_);
            hashes.first += where_.resume_at;
            const std::uint64_t groups_of_cell = std::uint64_t{1} << finer;
            if (groups_of_cell > groups_left) {
                // As many of its hashes as are at home in so many groups.
                const std::uint64_t most = (in_cell >> finer) * groups_left + (groups_left - 1);
                const std::uint64_t left = hashes.last - hashes.first;
                if (left > most) {
                    hashes.last = hashes.first + most;
                    next.cells[next.count++] = {hashes, is_cut};
                    where_.resume_at += most + 1;
                    return next;
                }
            }
            next.cells[next.count++] = {hashes, is_cut};
            end_cell();
            groups_left -= std::min(groups_left, groups_of_cell);
        }
        if (where_.cell == size) end_bundle();
        return next;
    }

    // Whether a hash belongs to what the scan goes through, and is not passed.
    bool is_left(std::uint64_t hash) const noexcept {
        if (!part_.is_everything() && !part_.has(hash)) return false;
        const std::uint64_t position = level_ == 0 ? 0 : reversed(hash >> (64 - level_), level_);
        std::uint64_t bundle = 0;
        if (level_ > bundle_bits) {
            const std::uint64_t bundles = std::uint64_t{1} << (round_bits() - bundle_bits);
            const std::uint64_t place =
                (position & ((std::uint64_t{1} << round_bits()) - 1)) / bundle_size;
            bundle = (position >> round_bits()) * bundles_in_round() +
                     ((place - first_bundle_) & (bundles - 1));
        }
        const std::uint64_t ahead =
            bundle >= where_.bundle ? bundle - where_.bundle : bundle + bundles_ - where_.bundle;
        if (ahead != 0 || is_at_bundle()) return ahead < where_.bundles_left;
        const std::uint64_t cell = position & ((std::uint64_t{1} << bits_in_bundle()) - 1);
        if (cell != where_.cell) return cell > where_.cell;
        return hash - cell_at(position, level_).first >= where_.resume_at;
    }

private:
    int round_bits() const noexcept { return std::min(level_, Part::level); }
    std::uint64_t bundles_in_round() const noexcept { return bundles_ / rounds_; }

    std::uint64_t after(std::uint64_t bundle) const noexcept {
        return bundle + 1 == bundles_ ? 0 : bundle + 1;
    }
    // The position of the first cell of a bundle.
    std::uint64_t position_of(std::uint64_t bundle) const noexcept {
        if (level_ <= bundle_bits) return 0;
        const std::uint64_t place = first_bundle_ + bundle % bundles_in_round();
        const std::uint64_t mask = (std::uint64_t{1} << round_bits()) - 1;
        return (bundle / bundles_in_round()) << round_bits() | (place * bundle_size & mask);
    }
    std::size_t index_of_bundle(std::uint64_t bundle) const noexcept {
        return reversed(position_of(bundle) / bundle_size, level_ - bundle_bits) * slots_per_cell;
    }

    void end_cell() noexcept {
        ++where_.cell;
        where_.resume_at = 0;
    }
    void end_bundle() noexcept {
        where_.bundle = after(where_.bundle);
        where_.cell = 0;
        where_.resume_at = 0;
        --where_.bundles_left;
    }

    Part part_;
    int level_ = -1;
    // The number of bundles of the part, in all rounds.
    std::uint64_t bundles_ = 0;
    std::uint64_t rounds_ = 1;
    // The place in its round of the first bundle of the part.
    std::uint64_t first_bundle_ = 0;
    Where where_;
};

}  // namespace cereggii::atomicdict
