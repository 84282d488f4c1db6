// SPDX-License-Identifier: Apache-2.0
void bad()
{
    QTest::qWait(100); // expect: qWait waits
    QTest::qSleep(100); // expect: qSleep waits
    qWait(5); // expect: qWait waits
    QThread::msleep(5); // expect: QThread::msleep waits
    QThread::sleep(5); // expect: QThread::sleep waits
    std::this_thread::sleep_for(5ms); // expect: sleep_for waits
    std::this_thread::sleep_until(later); // expect: sleep_until waits
    usleep(5); // expect: usleep waits
    nanosleep(&span, nullptr); // expect: nanosleep waits
}
