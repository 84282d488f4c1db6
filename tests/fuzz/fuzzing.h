// SPDX-License-Identifier: Apache-2.0
#pragma once

// What all fuzz targets use. A target fuzz_NAME.cpp defines fuzzOne(), which turns bytes into operations, applies them to the real
// thing and to a plain model of it, and calls require() with what has to be the same. It runs in one thread, so that the same
// bytes do the same every time.

#include <qmicroio/cancelscope.h>
#include <qmicroio/task.h>

#include <QtCore/QString>

#include <cstddef>
#include <cstdint>

namespace Fuzzing {

// The input as a source of decisions. After its end every decision is 0.
class Bytes
{
public:
    Bytes(const std::uint8_t *data, std::size_t size)
        : m_data(data)
        , m_size(size)
    {
    }
    bool isEmpty() const { return m_at >= m_size; }
    unsigned next() { return isEmpty() ? 0U : m_data[m_at++]; }
    unsigned below(unsigned limit) { return next() % limit; }

private:
    const std::uint8_t *m_data;
    std::size_t m_size;
    std::size_t m_at = 0;
};

// Ends the program with this text when the two differ; the fuzzer then keeps the input.
void require(bool same, const QString &what);

// Prints each operation when QMICROIO_FUZZ_TRACE is set: to see what an input that was found does.
void trace(const QString &operation);

// Every task of this loop has gone as far as it can. Enough turns for chains of tasks that wake each other.
inline QMicroIO::Task<> settle()
{
    for (int turn = 0; turn < 10; ++turn)
        co_await QMicroIO::checkpoint();
}

} // namespace Fuzzing

// By the target.
QMicroIO::Task<> fuzzOne(Fuzzing::Bytes &bytes);
