// floor 5: a value that each task has for itself, and hands to what it starts
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/detail/locals.h>
#include <qmicroio/detail/scope.h>

#include <memory>
#include <utility>

namespace QMicroIO {

/// A value of which each task has its own: the user a request is for, the name of a job, a trace id.
///
/// A task begins with what its starter sees at that moment: the task that calls startSoon(), start() or submit(). A function
/// given to callSync(), callSoon() or offload() sees the values of the task that called. What is set there stays there.
///
/// Thread:   any; values are copied, so T's copies have to be safe to make in several threads.
/// Lifetime: usually a static object; a task keeps the values until it ends, whatever becomes of this object.
/// Source:   Python's context variables, as AnyIO and Trio carry them.
template<class T>
class TaskLocal
{
public:
    /// `initial` is what a task sees where nothing was set.
    explicit TaskLocal(T initial = T())
        : m_initial(std::move(initial))
    {
    }
    TaskLocal(const TaskLocal &) = delete;
    TaskLocal &operator=(const TaskLocal &) = delete;

    /// Of the task that runs, or of the task that called the function that runs; otherwise the initial one.
    ///
    /// Thread: any. Cost: a search among the values that this task has, and a copy.
    T get() const
    {
        const detail::LocalsRef locals = detail::currentLocals();
        const void *value = locals.get() ? locals.get()->find(m_key) : nullptr;
        return value ? *static_cast<const T *>(value) : m_initial;
    }
    /// For this task from now on, and for what it starts later.
    ///
    /// Thread: that of a task. Fails: LogicError outside of a task and of functions that one has called.
    void set(T value) const { detail::setLocal(m_key, std::make_shared<const T>(std::move(value))); }

private:
    const T m_initial;
    const quint64 m_key = detail::nextLocalKey();
};

} // namespace QMicroIO
