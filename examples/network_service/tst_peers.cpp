// SPDX-License-Identifier: Apache-2.0
//
// Peers that want more than their share: each loses its own connection, and a peer that behaves is served all the while.
#include "server.h"

#include <QtCore/QElapsedTimer>
#include <QtNetwork/QHostAddress>
#include <QtNetwork/QTcpSocket>
#include <QtTest/QTest>

#include <memory>
#include <vector>

using namespace QMicroIO;
using namespace std::chrono_literals;

namespace {

constexpr int Long = 20'000; // ms; nothing here takes that long unless it hangs

class Peer : public QTcpSocket
{
    Q_OBJECT
public:
    explicit Peer(const Server &server)
    {
        connectToHost(QHostAddress::LocalHost, server.port());
        waitForConnected(Long);
    }
    QByteArray ask(const QByteArray &line)
    {
        write(line + '\n');
        return nextLine();
    }
    QByteArray nextLine()
    {
        while (!canReadLine() && waitForReadyRead(Long)) { }
        return readLine().trimmed();
    }
    bool isGone() { return state() == UnconnectedState || waitForDisconnected(Long); }
};

struct Running : Server
{
    explicit Running(const Lines::Limits &limits)
        : Server(limits)
    {
        start();
        waitStarted();
    }
};

} // namespace

class TestPeers : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void whoBehavesIsAnswered()
    {
        Running server{Lines::Limits()};
        Peer peer(server);
        QCOMPARE(peer.ask("1 hello"), QByteArray("1 HELLO"));
        peer.write("2 slow\n3 fast\n");
        QCOMPARE(peer.nextLine(), QByteArray("3 FAST"));
        QCOMPARE(peer.nextLine(), QByteArray("2 SLOW"));
    }

    void manyLinesAtOnceAreAllAnswered()
    {
        Lines::Limits limits;
        limits.longestLine = 64; // far less than all of them
        limits.answersAtOnce = 1000;
        Running server{limits};
        Peer peer(server);
        QByteArray questions;
        for (int i = 0; i < 500; ++i)
            questions += QByteArray::number(i) + " hello\n";
        peer.write(questions);
        for (int i = 0; i < 500; ++i)
            QCOMPARE(peer.nextLine(), QByteArray::number(i) + " HELLO");
    }

    void aLineThatIsTooLongEndsTheConnection()
    {
        Lines::Limits limits;
        limits.longestLine = 100;
        Running server{limits};
        Peer good(server);
        Peer bad(server);
        QCOMPARE(bad.ask("1 " + QByteArray(90, 'x')), "1 " + QByteArray(90, 'X')); // just short enough
        bad.write(QByteArray(1'000'000, 'x'));
        QVERIFY(bad.isGone());
        QCOMPARE(good.ask("1 hello"), QByteArray("1 HELLO"));
    }

    void aLineThatNeverEndsLosesItsConnectionInTime()
    {
        Lines::Limits limits;
        limits.wholeLine = 50ms;
        Running server{limits};
        Peer half(server);
        half.write("1 hal");
        QVERIFY(half.isGone());
        Peer dripping(server); // a byte from time to time does not help
        QElapsedTimer time;
        time.start();
        while (dripping.state() == QAbstractSocket::ConnectedState && time.elapsed() < Long) {
            dripping.write("x");
            dripping.waitForReadyRead(5);
        }
        QVERIFY(dripping.isGone());
        QVERIFY(time.elapsed() < Long);
        Peer good(server);
        QCOMPARE(good.ask("1 hello"), QByteArray("1 HELLO"));
    }

    void whoSaysNothingLosesItsConnection()
    {
        Lines::Limits limits;
        limits.silence = 1s; // also on a machine that has more to do, a question arrives in less
        Running server{limits};
        Peer waiting(server);
        waiting.write("1 never\n");
        waiting.waitForBytesWritten(Long);
        Peer silent(server);
        QVERIFY(silent.isGone());
        QVERIFY(!waiting.waitForDisconnected(100)); // it is owed an answer
        QCOMPARE(waiting.ask("2 hello"), QByteArray("2 HELLO"));
    }

    void oneConnectionMoreThanAllowedIsToldSo()
    {
        Lines::Limits limits;
        limits.connections = 2;
        Running server{limits};
        Peer first(server);
        auto second = std::make_unique<Peer>(server);
        QCOMPARE(first.ask("1 a"), QByteArray("1 A"));
        QCOMPARE(second->ask("1 b"), QByteArray("1 B"));
        std::vector<std::unique_ptr<Peer>> others;
        for (int i = 0; i < 20; ++i) {
            others.push_back(std::make_unique<Peer>(server));
            QCOMPARE(others.back()->nextLine(), QByteArray("! too many connections"));
            QVERIFY(others.back()->isGone());
        }
        QCOMPARE(first.ask("2 a"), QByteArray("2 A"));
        second.reset(); // there is room again
        QByteArray answer;
        for (int i = 0; i < 1000 && answer != "1 C"; ++i)
            answer = Peer(server).ask("1 c");
        QCOMPARE(answer, QByteArray("1 C"));
    }

    void moreQuestionsThanAllowedAreTurnedDown()
    {
        Lines::Limits limits;
        limits.answersAtOnce = 2;
        Running server{limits};
        Peer peer(server);
        peer.write("1 never\n2 never\n");
        QCOMPARE(peer.ask("3 hello"), QByteArray("3 !busy"));
    }

    void whoDoesNotFetchAnswersLosesItsConnection()
    {
        Lines::Limits limits;
        limits.unreadAnswers = 16 * 1024;
        Running server{limits};
        Peer greedy(server);
        greedy.setReadBufferSize(1);
        const QByteArray question = "1 " + QByteArray(1000, 'x') + '\n';
        QElapsedTimer time;
        time.start();
        // What the system buffers comes first.
        while (greedy.state() == QAbstractSocket::ConnectedState && time.elapsed() < Long) {
            greedy.write(question);
            greedy.waitForBytesWritten(100);
        }
        QVERIFY(greedy.isGone());
        QVERIFY(time.elapsed() < Long);
        Peer good(server);
        QCOMPARE(good.ask("1 hello"), QByteArray("1 HELLO"));
    }
};

QTEST_GUILESS_MAIN(TestPeers)
#include "tst_peers.moc"
