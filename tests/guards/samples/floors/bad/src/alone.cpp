// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/gone.h> // expect: no public header qmicroio/gone.h
