// floor 2: one list of everything that a program may be asked about
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/export.h>

#include <QtCore/QString>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>

namespace QMicroIO::detail {

class Seam;

// How long requests took: bucket i counts those below 2^i microseconds, the last one all that took longer.
using LatencyBuckets = std::array<quint64, 26>;

// What one listed object says about itself. Which fields count depends on its kind.
struct ListedState
{
    QString name;
    QString reason;
    std::exception_ptr error;
    bool isClosed = false;

    int serviceState = 0;
    int restarts = 0;
    std::chrono::nanoseconds uptime{};
    std::weak_ptr<Seam> seam; // of the service's loop, if it has one

    quint64 sent = 0;
    quint64 received = 0;
    quint64 dropped = 0;
    qsizetype queued = 0;
    qsizetype peak = 0;

    qsizetype pending = 0;
    quint64 accepted = 0;
    quint64 answered = 0;
    quint64 failed = 0;
    std::chrono::nanoseconds oldest{};
    LatencyBuckets latencies{};
};

// Puts an object into the list for as long as it lives: a member of the object, after everything that the report reads.
//
// The list holds no reference. While an object reports, with no lock of the list held, it cannot be destroyed: its
// destructor waits for the end of that one report, which takes the object's own lock and no other.
class QMICROIO_EXPORT Listing
{
public:
    enum class Kind { Service, Channel, Mailbox, Registry, ScopeGroup };
    using Report = void (*)(const void *object, ListedState &into);

    Listing(Kind kind, const void *object, Report report);
    ~Listing();
    Listing(const Listing &) = delete;
    Listing &operator=(const Listing &) = delete;

    // Takes it out for good. Repeat: harmless.
    void withdraw() noexcept;

    class Visitor
    {
    public:
        virtual void visit(quint64 id, Kind kind, ListedState &state) = 0;

    protected:
        Visitor() = default;
        ~Visitor() = default;
        Visitor(const Visitor &) = default;
        Visitor &operator=(const Visitor &) = default;
    };
    // Oldest first. Any thread.
    static void visitAll(Visitor &visitor);

private:
    const Kind m_kind;
    const void *const m_object;
    const Report m_report;
    quint64 m_id = 0;
    int m_pins = 0; // reports that are being made
    bool m_isListed = true;
    Listing *m_previous = nullptr;
    Listing *m_next = nullptr;
};

// While one lives, loops measure how long they work. What costs a look at the clock is not done for nobody.
class QMICROIO_EXPORT Observation
{
public:
    Observation() noexcept { s_count.fetch_add(1, std::memory_order_relaxed); }
    ~Observation() { s_count.fetch_sub(1, std::memory_order_relaxed); }
    Observation(const Observation &) = delete;
    Observation &operator=(const Observation &) = delete;
    static bool isOn() noexcept { return s_count.load(std::memory_order_relaxed) > 0; }

private:
    static std::atomic<int> s_count;
};

} // namespace QMicroIO::detail
