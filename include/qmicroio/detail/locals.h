// floor 1: values that follow a task to whatever it starts
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/export.h>

#include <QtCore/QtGlobal>

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

namespace QMicroIO::detail {

// The task-local values of one moment; never changed once it is shared, so that many tasks and threads may hold it.
class QMICROIO_EXPORT Locals
{
public:
    Locals() = default;
    Locals(const Locals &other)
        : m_entries(other.m_entries)
    {
    }
    Locals &operator=(const Locals &) = delete;

    const void *find(quint64 key) const noexcept;
    void insert(quint64 key, std::shared_ptr<const void> value);

private:
    friend class LocalsRef;
    struct Entry
    {
        quint64 key;
        std::shared_ptr<const void> value;
    };
    std::atomic<int> m_refs{1};
    std::vector<Entry> m_entries;
};

// Null where nothing was ever set, which costs a task one pointer and nothing else.
class LocalsRef
{
public:
    LocalsRef() = default;
    explicit LocalsRef(Locals *locals) noexcept
        : m_locals(locals)
    {
    }
    LocalsRef(const LocalsRef &other) noexcept
        : m_locals(other.m_locals)
    {
        if (m_locals)
            m_locals->m_refs.fetch_add(1, std::memory_order_relaxed);
    }
    LocalsRef(LocalsRef &&other) noexcept
        : m_locals(std::exchange(other.m_locals, nullptr))
    {
    }
    LocalsRef &operator=(LocalsRef other) noexcept
    {
        std::swap(m_locals, other.m_locals);
        return *this;
    }
    ~LocalsRef()
    {
        if (m_locals && m_locals->m_refs.fetch_sub(1, std::memory_order_acq_rel) == 1)
            delete m_locals;
    }
    const Locals *get() const noexcept { return m_locals; }

private:
    Locals *m_locals = nullptr;
};

// A number that no other task-local has.
QMICROIO_EXPORT quint64 nextLocalKey() noexcept;

} // namespace QMicroIO::detail
