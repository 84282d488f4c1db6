// SPDX-License-Identifier: Apache-2.0
// QTest::qWait(100) in a comment is no wait, and so is "QThread::sleep(1)" in a text.
Task<> good()
{
    co_await sleep(5ms);
    QTest::qWaitFor([] { return true; });
    const char *text = "QThread::sleep(1)";
    // lint-waits: ok this is about the system's clock
    QThread::msleep(1);
    usleep(1); // lint-waits: ok this too
    object.usleep(1);
}
