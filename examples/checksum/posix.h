// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// All that this program asks of the operating system. Names are bytes: on POSIX a file name need not be valid text, and one
/// that is not would not survive a QString. What fails throws std::system_error with the errno.
namespace Checksum::Posix {

enum class Kind { File, Folder, Link, Special };
/// Whether a symbolic link at the end of a path stands for what it points to.
enum class Follow { No, Yes };

struct Status
{
    Kind kind = Kind::Special;
    std::uint64_t size = 0;
};

Status statusOf(const std::string &path, Follow follow);

/// A list of names in one piece of memory: a string object for each would need several times as much.
class NameList
{
public:
    void add(std::string_view name);
    /// By their bytes.
    void sort();
    std::size_t size() const { return m_starts.size(); }
    const char *operator[](std::size_t index) const { return m_bytes.data() + m_starts[index]; }

private:
    std::string m_bytes; // each with a NUL at its end
    std::vector<std::size_t> m_starts;
};

/// The names in a folder, sorted. Returns early, with some of them, once `stop` is set.
NameList namesIn(const std::string &folder, Follow follow, const std::atomic<bool> &stop);

/// A file that is open for reading.
class File
{
public:
    /// Fails for what is no regular file: reading a pipe or a device may never end.
    File(const std::string &path, Follow follow);
    ~File();
    File(const File &) = delete;
    File &operator=(const File &) = delete;

    std::uint64_t size() const;
    /// 0 at the end of the file.
    std::size_t read(char *buffer, std::size_t size) const;

private:
    int m_descriptor;
};

inline constexpr int StandardOutput = 1;
inline constexpr int StandardError = 2;

/// To be called first: a descriptor that the program was started without (`2>&-`) would go to the next file that is opened,
/// and messages would be written there.
void reserveStandardDescriptors();

bool isTerminal(int descriptor);
/// Columns; 0 when unknown.
int terminalWidth(int descriptor);
/// True for all but regular files: a pipe or a terminal takes no more until somebody has read what it holds.
bool writingMayBlock(int descriptor);
/// Whether a write of at most AtOnce bytes goes through, or fails, without waiting.
bool isWritable(int descriptor);
/// A pipe takes that many bytes as a whole or waits; it never takes a part.
std::size_t atOnce();
void writeAll(int descriptor, std::string_view bytes);
/// Some file systems report a full disk only here.
void close(int descriptor);

/// From now on writing to a closed pipe fails like other writing, instead of ending the program.
void ignoreClosedPipes();

} // namespace Checksum::Posix
