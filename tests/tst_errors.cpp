// SPDX-License-Identifier: Apache-2.0
#include "servicetesting.h"

#include <qmicroio/errors.h>

#include <QtTest/QTest>

#include <vector>

using namespace QMicroIO;
using namespace ServiceTesting;

static_assert(std::is_base_of_v<std::runtime_error, Error>);
static_assert(std::is_base_of_v<Error, ClosedResourceError>);
static_assert(std::is_base_of_v<ClosedResourceError, NotRunningError>);
static_assert(std::is_base_of_v<Error, BrokenResourceError>
              && !std::is_base_of_v<ClosedResourceError, BrokenResourceError>);
static_assert(std::is_base_of_v<Error, StartupError>);
static_assert(std::is_base_of_v<Error, EndOfStream> && !std::is_base_of_v<ClosedResourceError, EndOfStream>);
static_assert(std::is_base_of_v<Error, WouldBlock>);
static_assert(std::is_base_of_v<Error, BusyResourceError>);
static_assert(std::is_base_of_v<Error, TimeoutError>);
static_assert(std::is_base_of_v<Error, DuplicateRequestError>);
static_assert(std::is_base_of_v<Error, DeadlockError>);
static_assert(std::is_base_of_v<Error, LogicError> && !std::is_base_of_v<std::logic_error, LogicError>);
static_assert(std::is_base_of_v<Error, ExceptionGroup>);
static_assert(!std::is_base_of_v<std::exception, Cancelled>);
static_assert(std::is_copy_constructible_v<ExceptionGroup> && std::is_copy_assignable_v<ExceptionGroup>);
static_assert(std::is_same_v<decltype(std::declval<const ExceptionGroup &>().exceptions()),
                             const std::vector<std::exception_ptr> &>);
static_assert(std::is_same_v<decltype(std::declval<const BrokenResourceError &>().cause()), std::exception_ptr>);
static_assert(std::is_same_v<decltype(std::declval<const StartupError &>().cause()), std::exception_ptr>);

namespace {

template<class E>
std::exception_ptr failure(const char *text)
{
    return std::make_exception_ptr(E(text));
}

// Which of the handlers that people write catches it.
template<class E>
QString handlerOf(const E &thrown)
{
    try {
        throw thrown;
    } catch (const ClosedResourceError &) {
        return QStringLiteral("ClosedResourceError");
    } catch (const Error &) {
        return QStringLiteral("Error");
    } catch (const std::exception &) {
        return QStringLiteral("std::exception");
    } catch (...) {
        return QStringLiteral("...");
    }
}

template<class E>
bool keepsItsText()
{
    const E fromQt(QStringLiteral("naïve – 漢字"));
    const E fromC("plain");
    E copy = fromC;
    copy = fromQt;
    return fromQt.message() == QStringLiteral("naïve – 漢字") && QByteArray(fromQt.what()) == "naïve – 漢字"
        && fromC.message() == QStringLiteral("plain") && copy.message() == fromQt.message();
}

} // namespace

class TestErrors : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void everyErrorKeepsItsTextAsUtf8()
    {
        QVERIFY(keepsItsText<Error>());
        QVERIFY(keepsItsText<ClosedResourceError>());
        QVERIFY(keepsItsText<NotRunningError>());
        QVERIFY(keepsItsText<BrokenResourceError>());
        QVERIFY(keepsItsText<StartupError>());
        QVERIFY(keepsItsText<EndOfStream>());
        QVERIFY(keepsItsText<WouldBlock>());
        QVERIFY(keepsItsText<BusyResourceError>());
        QVERIFY(keepsItsText<TimeoutError>());
        QVERIFY(keepsItsText<DuplicateRequestError>());
        QVERIFY(keepsItsText<DeadlockError>());
        QVERIFY(keepsItsText<LogicError>());
    }

    void handlersCatchWhatTheHierarchySays()
    {
        QCOMPARE(handlerOf(NotRunningError("x")), QStringLiteral("ClosedResourceError"));
        QCOMPARE(handlerOf(ClosedResourceError("x")), QStringLiteral("ClosedResourceError"));
        QCOMPARE(handlerOf(BrokenResourceError("x")), QStringLiteral("Error"));
        QCOMPARE(handlerOf(EndOfStream("x")), QStringLiteral("Error"));
        QCOMPARE(handlerOf(LogicError("x")), QStringLiteral("Error"));
        QCOMPARE(handlerOf(std::invalid_argument("x")), QStringLiteral("std::exception"));
    }

    void ordinaryHandlersDoNotSwallowACancellation()
    {
        QCOMPARE(handlerOf(Cancelled(QStringLiteral("x"))), QStringLiteral("..."));
    }

    void theCauseIsTheOriginalError()
    {
        const BrokenResourceError broken(QStringLiteral("broken"), failure<std::out_of_range>("the original"));
        QVERIFY(holds<std::out_of_range>(broken.cause(), "the original"));
        QCOMPARE(broken.message(), QStringLiteral("broken"));
        const StartupError startup(QStringLiteral("not ready"), failure<TimeoutError>("too slow"));
        QVERIFY(holds<TimeoutError>(startup.cause(), "too slow"));
        QCOMPARE(startup.message(), QStringLiteral("not ready"));

        // Copies are what std::rethrow_exception() and catch by value work with.
        const BrokenResourceError copy = broken;
        QCOMPARE(copy.cause(), broken.cause());
        StartupError assigned(QStringLiteral("other"));
        QVERIFY(!assigned.cause());
        assigned = startup;
        QCOMPARE(assigned.cause(), startup.cause());
    }

    void anErrorWithoutACauseSaysSo()
    {
        QVERIFY(!BrokenResourceError("gone").cause());
        QVERIFY(!StartupError("ended").cause());
    }

    void aGroupKeepsItsErrorsInOrder()
    {
        const std::vector<std::exception_ptr> errors{failure<TimeoutError>("first"),
                                                     failure<std::runtime_error>("second")};
        const ExceptionGroup group(errors);
        QCOMPARE(group.exceptions().size(), std::size_t(2));
        QVERIFY(holds<TimeoutError>(group.exceptions()[0], "first"));
        QVERIFY(holds<std::runtime_error>(group.exceptions()[1], "second"));
        const ExceptionGroup copy = group;
        QCOMPARE(copy.exceptions(), group.exceptions());
        QCOMPARE(copy.message(), group.message());
    }

    void theTextOfAGroupHasOneLineForEachFailureIndentedByDepth()
    {
        const auto inner = std::make_exception_ptr(ExceptionGroup(
            QStringLiteral("inner"), {failure<TimeoutError>("deep one"), failure<TimeoutError>("deep two")}));
        const ExceptionGroup group(QStringLiteral("outer"), {failure<WouldBlock>("flat"), inner});
        const QStringList lines = group.message().split(u'\n');
        QCOMPARE(lines.size(), qsizetype(5));
        const auto indent = [](const QString &line) {
            qsizetype width = 0;
            while (width < line.size() && (line.at(width) == u' ' || line.at(width) == u'-'))
                ++width;
            return width;
        };
        QCOMPARE(lines.at(0), QStringLiteral("outer"));
        QVERIFY(lines.at(1).endsWith(QStringLiteral("flat")));
        QVERIFY(lines.at(2).endsWith(QStringLiteral("inner")));
        QVERIFY(lines.at(3).endsWith(QStringLiteral("deep one")));
        QVERIFY(lines.at(4).endsWith(QStringLiteral("deep two")));
        QVERIFY(indent(lines.at(0)) < indent(lines.at(1)));
        QCOMPARE(indent(lines.at(1)), indent(lines.at(2)));
        QVERIFY(indent(lines.at(2)) < indent(lines.at(3)));
        QCOMPARE(indent(lines.at(3)), indent(lines.at(4)));
    }

    void aGroupWithoutAMessageCountsItsErrors()
    {
        QVERIFY(ExceptionGroup({failure<Error>("a")}).message().startsWith(u'1'));
        QVERIFY(ExceptionGroup({failure<Error>("a"), failure<Error>("b")}).message().startsWith(u'2'));
    }

    void anEmptyGroupAndNullErrorsAreRefused()
    {
        const std::vector<std::exception_ptr> none;
        const QString empty = thrownText<std::invalid_argument>([&] { ExceptionGroup group(none); });
        QVERIFY2(empty.contains(QStringLiteral("at least one")), qPrintable(empty));
        const std::vector<std::exception_ptr> withNull{failure<Error>("a"), nullptr};
        const QString null = thrownText<std::invalid_argument>([&] { ExceptionGroup group(withNull); });
        QVERIFY2(null.contains(QStringLiteral("null")), qPrintable(null));
        QVERIFY(throws<std::invalid_argument>([&] { ExceptionGroup group(QStringLiteral("named"), none); }));
    }

    void aCancellationTellsReasonCauseAndOrigin()
    {
        const Cancelled plain;
        QCOMPARE(plain.reason(), QString());
        QCOMPARE(plain.origin(), QString());
        QCOMPARE(plain.cause(), Cancelled::Cause::Request);
        const Cancelled full(QStringLiteral("enough"), Cancelled::Cause::Deadline, QStringLiteral("watchdog"));
        Cancelled copy = plain;
        copy = full;
        for (const Cancelled &cancelled : {full, copy}) {
            QCOMPARE(cancelled.reason(), QStringLiteral("enough"));
            QCOMPARE(cancelled.cause(), Cancelled::Cause::Deadline);
            QCOMPARE(cancelled.origin(), QStringLiteral("watchdog"));
        }
    }

    void errorTextWorksForEverythingThatCanBeThrown()
    {
        QCOMPARE(errorText(nullptr), QString());
        QCOMPARE(errorText(failure<std::runtime_error>("é")), QStringLiteral("é"));
        QCOMPARE(errorText(failure<TimeoutError>("late")), QStringLiteral("late"));
        QVERIFY(errorText(std::make_exception_ptr(Cancelled(QStringLiteral("why")))).contains(QStringLiteral("why")));
        QVERIFY(!errorText(std::make_exception_ptr(Cancelled())).isEmpty());
        QVERIFY(!errorText(std::make_exception_ptr(42)).isEmpty());
    }

    void cancellationsAreTakenOutOfNestedGroups()
    {
        const auto cancelled = std::make_exception_ptr(Cancelled(QStringLiteral("x")));
        QVERIFY(detail::isCancellation(cancelled));
        QVERIFY(!detail::isCancellation(failure<Error>("x")));
        QVERIFY(!detail::isCancellation(nullptr));

        const auto kept = failure<TimeoutError>("kept");
        const auto inner = std::make_exception_ptr(ExceptionGroup(QStringLiteral("inner"), {cancelled, kept}));
        const auto onlyCancelled = std::make_exception_ptr(ExceptionGroup(QStringLiteral("gone"), {cancelled}));
        const auto outer = std::make_exception_ptr(ExceptionGroup(QStringLiteral("outer"), {inner, onlyCancelled}));
        const detail::Split split = detail::splitCancelled(outer);
        QVERIFY(split.hadCancelled);
        try {
            std::rethrow_exception(split.rest);
        } catch (const ExceptionGroup &rest) {
            QVERIFY(rest.message().startsWith(QStringLiteral("outer")));
            QVERIFY(!rest.message().contains(QStringLiteral("gone")));
            QCOMPARE(rest.exceptions().size(), std::size_t(1));
            QCOMPARE(thrownText<ExceptionGroup>([&] { std::rethrow_exception(rest.exceptions().front()); }),
                     QStringLiteral("inner\n  - kept"));
        }
        QVERIFY(!detail::splitCancelled(onlyCancelled).rest);
        QVERIFY(detail::splitCancelled(onlyCancelled).hadCancelled);
        const detail::Split untouched = detail::splitCancelled(kept);
        QCOMPARE(untouched.rest, kept);
        QVERIFY(!untouched.hadCancelled);
    }
};

QTEST_GUILESS_MAIN(TestErrors)
#include "tst_errors.moc"
