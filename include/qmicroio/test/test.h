// floor 98: the whole test kit
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/test/check.h>
#include <qmicroio/test/checkpoints.h>
#include <qmicroio/test/faultinjectors.h>
#include <qmicroio/test/interrupter.h>
#include <qmicroio/test/leakguard.h>
#include <qmicroio/test/recorder.h>
#include <qmicroio/test/sequencer.h>
#include <qmicroio/test/testcase.h>
#include <qmicroio/test/testexport.h>
#include <qmicroio/test/virtualclock.h>
#include <qmicroio/test/waitblocked.h>
