// A licence is missing here. expect: no "SPDX
int a;
