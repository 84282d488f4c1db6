// SPDX-License-Identifier: Apache-2.0
//
// Compiled alone by mingw-w64 (tools/check-portability --windows), but never run: no Windows was at hand.
#include "systemsignals_p.h"

#include <windows.h>

#include <atomic>
#include <csignal>
#include <cstdint>

namespace QMicroIO::detail::StopSignals {
namespace {

// Made once and kept: a handler may still be about to set it.
std::atomic<HANDLE> s_event{nullptr};
std::atomic<int> s_number{0};
std::atomic<int> s_exitCode{0};
std::atomic<std::int64_t> s_repeat{0};
std::atomic<std::int64_t> s_first{0};
// Windows has no number for it, but its C library does.
constexpr int CtrlBreak = 21;

std::int64_t now()
{
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

int numberOf(DWORD kind)
{
    return kind == CTRL_C_EVENT ? SIGINT : kind == CTRL_BREAK_EVENT ? CtrlBreak : SIGTERM;
}

// Runs in a thread that the system makes for it.
BOOL WINAPI onStopSignal(DWORD kind)
{
    std::int64_t first = 0;
    if (const std::int64_t time = now(); s_first.compare_exchange_strong(first, time)) {
        s_number = numberOf(kind);
        SetEvent(s_event);
    } else if (time - first > s_repeat.load()) {
        const int code = s_exitCode.load();
        TerminateProcess(GetCurrentProcess(), static_cast<UINT>(code != 0 ? code : 128 + numberOf(kind)));
    }
    // When the console is closed, or the user logs off, the system ends the process as soon as this returns, and after some
    // seconds anyway: they are the time that the program has.
    if (kind != CTRL_C_EVENT && kind != CTRL_BREAK_EVENT)
        Sleep(INFINITE);
    return TRUE;
}

std::error_code lastError()
{
    return {static_cast<int>(GetLastError()), std::system_category()};
}

} // namespace

std::error_code install(int exitCode, std::chrono::nanoseconds repeat)
{
    if (!s_event.load()) {
        const HANDLE event = CreateEventW(nullptr, FALSE, FALSE, nullptr);
        if (!event)
            return lastError();
        s_event = event;
    }
    ResetEvent(s_event);
    s_number = 0;
    s_exitCode = exitCode;
    s_repeat = repeat.count();
    s_first = 0;
    return SetConsoleCtrlHandler(onStopSignal, TRUE) ? std::error_code() : lastError();
}

void uninstall()
{
    SetConsoleCtrlHandler(onStopSignal, FALSE);
}

int wait()
{
    return WaitForSingleObject(s_event, INFINITE) == WAIT_OBJECT_0 ? s_number.load() : 0;
}

void interrupt()
{
    SetEvent(s_event);
}

const char *nameOf(int number)
{
    return number == SIGINT ? "SIGINT" : number == CtrlBreak ? "SIGBREAK" : number == SIGTERM ? "SIGTERM" : "a signal";
}

} // namespace QMicroIO::detail::StopSignals
