// SPDX-License-Identifier: Apache-2.0
inline void wait() { QThread::usleep(5); } // expect: QThread::usleep waits
