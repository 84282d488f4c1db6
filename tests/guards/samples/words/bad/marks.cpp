// SPDX-License-Identifier: Apache-2.0
// TO¦DO: later, expect: finish it
int a; // FIX¦ME expect: finish it
int b; /* X¦XX */ // expect: finish it
int c; // a HA¦CK, expect: finish it
