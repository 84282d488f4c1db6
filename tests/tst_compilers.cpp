// SPDX-License-Identifier: Apache-2.0
//
// The bugs of compilers that docs/compilers.md lists: whether this compiler has them, and that the work-around holds. The
// probes are written as nobody should write.

#include <qmicroio/cancelscope.h>
#include <qmicroio/task.h>

#include <QtTest/QTest>

#include <initializer_list>
#include <utility>

using namespace QMicroIO;

namespace {

// Counts its kind; owns nothing, so that a second destruction does no harm here.
struct Counted
{
    Counted() { ++alive; }
    Counted(const Counted &) { ++alive; }
    Counted(Counted &&) noexcept { ++alive; }
    Counted &operator=(const Counted &) = default;
    Counted &operator=(Counted &&) = default;
    ~Counted() { --alive; }
    static inline int alive = 0;
};

struct Aggregate
{
    int number;
    Counted counted;
};

template<class F>
Task<int> call(F fn)
{
    co_await checkpoint();
    co_return fn();
}

Task<int> take(Aggregate aggregate)
{
    co_await checkpoint();
    co_return aggregate.number;
}

Task<int> sum(std::initializer_list<int> numbers) // read before it waits: the list does not outlive the call
{
    int result = 0;
    for (const int number : numbers)
        result += number;
    co_return result;
}

Task<std::pair<int, Counted>> pairOf(int number)
{
    co_await checkpoint();
    co_return std::pair<int, Counted>(number, Counted());
}

// What is left of Counted after the task: 0 when every object was destroyed once, negative when one was twice.
template<class F>
int leftAfter(F make)
{
    Counted::alive = 0;
    const int result = run(make());
    return result == 7 ? Counted::alive : 1000 + result;
}

bool isGcc12()
{
#if defined(__GNUC__) && !defined(__clang__)
    return __GNUC__ == 12;
#else
    return false;
#endif
}

// A bug that GCC 12 has; other compilers may have it or not, and the test says which.
void probe(const char *what, int left)
{
    qInfo("%s: %s", what, left == 0 ? "not in this compiler" : "in this compiler");
    if (isGcc12())
        QCOMPARE(left, -1);
#ifdef __clang__
    QCOMPARE(left, 0);
#endif
}

} // namespace

class CompilersTest : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void aCapturingLambdaInsideCoAwaitIsDestroyedTwice()
    {
        probe("a lambda with captures by value inside co_await is destroyed twice", leftAfter([]() -> Task<int> {
                  Counted counted;
                  // lint-coawait: ok a probe of the bug; a second destruction does no harm to Counted
                  co_return co_await call([counted] { return 7; });
              }));
    }
    void aCapturingLambdaThatIsNamedFirstIsDestroyedOnce()
    {
        QCOMPARE(leftAfter([]() -> Task<int> {
                     Counted counted;
                     const auto seven = [counted] { return 7; };
                     co_return co_await call(seven);
                 }),
                 0);
    }
    void anAggregateInsideCoAwaitIsDestroyedTwice()
    {
        probe("an aggregate inside co_await is destroyed twice", leftAfter([]() -> Task<int> {
                  // lint-coawait: ok a probe of the bug; a second destruction does no harm to Counted
                  co_return co_await take(Aggregate{7, Counted()});
              }));
    }
    void anAggregateThatIsNamedFirstIsDestroyedOnce()
    {
        QCOMPARE(leftAfter([]() -> Task<int> {
                     Aggregate aggregate{7, Counted()};
                     co_return co_await take(std::move(aggregate));
                 }),
                 0);
    }
    void anInitializerListThatIsNamedFirstCompiles()
    {
        QCOMPARE(run([]() -> Task<int> {
                     const std::initializer_list<int> numbers{3, 4};
                     co_return co_await sum(numbers);
                 }()),
                 7);
    }
    // Some versions skip a destructor in `auto [a, b] = co_await f();`.
    void aResultThatIsNamedBeforeItIsTakenApartIsDestroyedOnce()
    {
        QCOMPARE(leftAfter([]() -> Task<int> {
                     auto result = co_await pairOf(7);
                     auto &[number, counted] = result;
                     static_cast<void>(counted);
                     co_return number;
                 }),
                 0);
    }
};

QTEST_GUILESS_MAIN(CompilersTest)
#include "tst_compilers.moc"
