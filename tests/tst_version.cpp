// SPDX-License-Identifier: Apache-2.0
//
// Seen by a program that has turned its back on all that 0.3 and older versions deprecated, and wants no warnings.

#define QMICROIO_DISABLE_DEPRECATED_UP_TO QT_VERSION_CHECK(0, 3, 0)
#define QMICROIO_NO_DEPRECATED_WARNINGS
#include <qmicroio/version.h>

#include <QtTest/QTest>

namespace {

#if QMICROIO_DEPRECATED_SINCE(0, 3)
#  error "deprecated in 0.3 and still seen"
#endif

#if QMICROIO_DEPRECATED_SINCE(0, 4)
QMICROIO_DEPRECATED_X("use newName()") int oldName()
{
    return 4;
}
#endif

// The control: an attribute that warns would not compile in a build whose warnings are errors.
const int used = oldName();

} // namespace

class VersionTest : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void theLibraryThatRunsIsTheOneOfTheHeaders() { QCOMPARE(QMicroIO::libraryVersion(), QMICROIO_VERSION); }
    void theVersionIsThatOfTheProject()
    {
        QCOMPARE(QStringLiteral("%1.%2.%3")
                     .arg(QMICROIO_VERSION_MAJOR)
                     .arg(QMICROIO_VERSION_MINOR)
                     .arg(QMICROIO_VERSION_PATCH),
                 QStringLiteral(QMICROIO_PROJECT_VERSION));
    }
    void whatALaterVersionDeprecatesIsStillThere() { QCOMPARE(used, 4); }
};

QTEST_GUILESS_MAIN(VersionTest)
#include "tst_version.moc"
