// floor 99: everything at once
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/actor.h>
#include <qmicroio/cancellable.h>
#include <qmicroio/cancelscope.h>
#include <qmicroio/channel.h>
#include <qmicroio/channelbroadcast.h>
#include <qmicroio/channelslot.h>
#include <qmicroio/channelwork.h>
#include <qmicroio/closescope.h>
#include <qmicroio/diagnostics.h>
#include <qmicroio/errors.h>
#include <qmicroio/introspection.h>
#include <qmicroio/loopservicethread.h>
#include <qmicroio/loopwatchdog.h>
#include <qmicroio/mailbox.h>
#include <qmicroio/models.h>
#include <qmicroio/offload.h>
#include <qmicroio/requestregistry.h>
#include <qmicroio/scopegroup.h>
#include <qmicroio/servicegroup.h>
#include <qmicroio/servicethread.h>
#include <qmicroio/sharedservice.h>
#include <qmicroio/startmain.h>
#include <qmicroio/statusprinter.h>
#include <qmicroio/supervisor.h>
#include <qmicroio/systemsignals.h>
#include <qmicroio/task.h>
#include <qmicroio/taskgroup.h>
#include <qmicroio/tasklocal.h>
#include <qmicroio/version.h>
#include <qmicroio/wait.h>
#include <qmicroio/whenall.h>
#include <qmicroio/worktracker.h>
