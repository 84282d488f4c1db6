// SPDX-License-Identifier: Apache-2.0
//
// One request of a RequestRegistry (include/qmicroio/requestregistry.h): a thread that registers it and waits with a deadline,
// one that answers by key, one that closes the registry. With the gate (src/threadseam.cpp) on which the waiter sleeps and which
// lives on its stack. Checked: exactly one outcome, the waiter always goes on, nobody touches the gate once it is gone.
//
// bug: CLAIM_IN_TWO_STEPS    an outcome is claimed in two critical sections
// bug: TIMEOUT_DOES_NOT_ASK  a waiter whose time is over leaves although an outcome is on its way
// bug: CLOSE_AFTER_FAILING   the registry refuses new requests only once it has failed the pending ones

mtype = { Pending, Claimed, Done, Taken };
mtype = { Shut, Sleeping, Open };
mtype = { Nothing, Value, Failure, TimedOut, Refused };

bool locked;
bool registered, closed; // of the registry
mtype state = Pending; // of the entry
mtype outcome = Nothing;
bool gateIsSet;

mtype gate = Shut;
byte permits; // of the gate's semaphore
bool gateLives;

mtype seen = Nothing; // by the waiter
bool resolved, failed; // what those who answer were told

inline lock() { atomic { !locked -> locked = true } }
inline unlock() { locked = false }

// RequestEntry::claimLocked(), with the lock held.
inline claim(won) {
#ifdef CLAIM_IN_TWO_STEPS
    won = registered && state == Pending;
    unlock();
    lock();
    if
    :: won -> state = Claimed; registered = false
    :: else
    fi
#else
    if
    :: registered && state == Pending -> state = Claimed; registered = false; won = true
    :: else -> won = false
    fi
#endif
}

// RequestEntry::publish(), with Gate::open().
inline publish(what, open, slept) {
    assert(outcome == Nothing);
    outcome = what;
    lock();
    state = Done;
    open = gateIsSet;
    gateIsSet = false;
    unlock();
    if
    :: open ->
        atomic { assert(gateLives); slept = (gate == Sleeping); gate = Open }
        if
        :: slept -> atomic { assert(gateLives); permits++ }
        :: else
        fi
    :: else
    fi
}

proctype Waiter()
{
    bool inTime = true;
    bool abandoned = false;
    bool accepted;
    lock();
    accepted = !closed;
    registered = accepted;
    unlock();
    if
    :: !accepted -> seen = Refused; goto out
    :: else
    fi;

    gateLives = true;
    lock();
    if
    :: state == Done -> gate = Open
    :: else -> gateIsSet = true
    fi;
    unlock();

    // Gate::wait()
    if
    :: atomic { gate == Shut -> gate = Sleeping }
        if
        :: atomic { permits > 0 -> permits-- }
        :: true -> // the deadline
            if
            :: atomic { gate == Sleeping -> gate = Shut }; inTime = false
            :: atomic { gate == Open && permits > 0 -> permits-- }
            fi
        fi
    :: gate == Open
    fi;

    if
    :: inTime
    :: !inTime ->
#ifdef TIMEOUT_DOES_NOT_ASK
        abandoned = true;
#else
        lock();
        if
        :: registered && state == Pending ->
            state = Taken;
            registered = false;
            gateIsSet = false;
            abandoned = true
        :: else
        fi;
        unlock();
#endif
        if
        :: abandoned -> seen = TimedOut; gateLives = false; goto out
        :: else ->
            // It comes now.
            if
            :: atomic { gate == Shut -> gate = Sleeping }; atomic { permits > 0 -> permits-- }
            :: gate == Open
            fi
        fi
    fi;
    lock();
    assert(state == Done);
    state = Taken;
    seen = outcome;
    unlock();
    gateLives = false;
out:
    skip
}

proctype Resolver()
{
    bool open, slept;
    lock();
    claim(resolved);
    unlock();
    if
    :: resolved -> publish(Value, open, slept)
    :: else
    fi
}

proctype Closer()
{
    bool open, slept;
#ifndef CLOSE_AFTER_FAILING
    lock(); closed = true; unlock();
#endif
    lock();
    claim(failed);
    unlock();
    if
    :: failed -> publish(Failure, open, slept)
    :: else
    fi;
#ifdef CLOSE_AFTER_FAILING
    lock(); closed = true; unlock();
#endif
    // From here on nothing is pending any more, and nothing will be.
    lock();
    assert(!registered);
    unlock()
}

init {
    atomic {
        run Waiter();
        run Resolver();
        run Closer()
    }
    _nr_pr == 1;
    assert(!(resolved && failed));
    assert(seen != Nothing);
    assert(resolved == (seen == Value));
    assert(failed == (seen == Failure));
    assert(!registered)
}
