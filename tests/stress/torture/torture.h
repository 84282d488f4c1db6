// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QtCore/QString>

#include <chrono>

namespace Torture {

struct Options
{
    int seeds = 20; // of each cell
    std::chrono::minutes minutes{0}; // instead: as long as that
    QString row; // empty: all
    QString way;
    int firstSeed = 1;
    QString program; // this one, for the cells that end a process
    std::chrono::milliseconds limit{25'000}; // of a cell: what takes longer hangs
    QString plant; // "hang" or "wrong": a row that must be found out, and no other
};

// Every way to wait against every way for the other side to go. The exit code.
int matrix(const Options &options);
// The part of a cell that runs in a process of its own.
int endsProcess(const Options &options);
// Lifecycles of services with work, and what memory, threads and descriptors do meanwhile.
int soak(std::chrono::seconds duration, const QString &svg);
// Services under supervision that crash all the time.
int crashes(std::chrono::seconds duration);

// Ends the program with a report when what is named is not over in time.
class Overdue
{
public:
    Overdue(const QString &what, std::chrono::milliseconds limit);
    ~Overdue();
    Overdue(const Overdue &) = delete;
    Overdue &operator=(const Overdue &) = delete;
};

} // namespace Torture
