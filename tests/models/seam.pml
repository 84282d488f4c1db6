// SPDX-License-Identifier: Apache-2.0
//
// The seam (src/threadseam.cpp): threads that hand work to a loop, one that stops it, and the loop, which may end by itself and
// watches in busy-poll mode. Checked: what is accepted is run, the rest is refused, and the loop never sleeps while work waits for it.
//
// bug: CHECK_OUTSIDE   whether the loop takes work is asked in one critical section, the work is added in another
// bug: NO_LAST_LOOK    the end of a watch does not look for work that came without a wake-up
// bug: LATE_CLOSE      the loop takes its last batch before it refuses new work

#define SENDERS 2
#define ITEMS 2

mtype = { Everyone, OwnThread, Nobody };

bool locked;
mtype admit = Everyone;
byte incoming, rechecks;
bool wakePosted, watching, arrived;
byte events; // wake-ups in the queue of Qt

byte accepted, refused, ran;

inline lock() { atomic { !locked -> locked = true } }
inline unlock() { locked = false }

// Seam::arrived(), with the lock held.
inline tellArrival(wake) {
    arrived = true;
    wake = !wakePosted && !watching;
    wakePosted = wakePosted || wake;
    unlock();
    if
    :: wake -> events++
    :: else
    fi
}

proctype Sender()
{
    byte i = 0;
    bool wake;
    do
    :: i == ITEMS -> break
    :: i < ITEMS ->
        i++;
        lock();
#ifdef CHECK_OUTSIDE
        if
        :: admit == Everyone ->
            unlock();
            lock();
            incoming++;
            accepted++;
            tellArrival(wake)
        :: else -> unlock(); refused++
        fi
#else
        if
        :: admit == Everyone -> incoming++; accepted++; tellArrival(wake)
        :: else -> unlock(); refused++
        fi
#endif
    od
}

// LoopServiceThread::stopRequested(): narrow, then have the root scope looked at again.
proctype Stopper()
{
    bool wake;
    lock();
    if
    :: admit == Everyone -> admit = OwnThread
    :: else
    fi;
    unlock();
    lock();
    if
    :: admit != Nobody -> rechecks++; tellArrival(wake)
    :: else -> unlock()
    fi
}

proctype LoopThread()
{
    bool stopSeen = false;
    bool work;
    byte batch = 0;
    do
    :: stopSeen -> break
    :: !stopSeen -> stopSeen = true // nothing is left to do: the service ends by itself
    :: !stopSeen && events > 0 -> events--; goto turn
    :: !stopSeen && events == 0 ->
        // About to block. With or without a watch before.
        if
        :: true ->
            lock();
            if
            :: wakePosted || incoming > 0 || rechecks > 0 -> unlock()
            :: else ->
                watching = true;
                unlock();
                do
                :: arrived ->
                    lock();
                    wakePosted = false;
                    arrived = false;
                    batch = incoming;
                    incoming = 0;
                    stopSeen = stopSeen || rechecks > 0;
                    rechecks = 0;
                    unlock();
                    ran = ran + batch
                :: true -> break // the time is over
                od;
                lock();
                watching = false;
#ifdef NO_LAST_LOOK
                work = false;
#else
                work = incoming > 0 || rechecks > 0;
#endif
                unlock();
                if
                :: work && !stopSeen ->
                    lock();
                    if
                    :: wakePosted -> unlock()
                    :: else -> wakePosted = true; unlock(); events++
                    fi
                :: else
                fi
            fi
        :: true
        fi;
        // Blocks until there is an event, unless a turn of the watch has seen the stop.
        if
        :: stopSeen -> break
        :: !stopSeen && events > 0 -> skip
        fi;
        events--;
turn:
        lock();
        wakePosted = false;
        arrived = false;
        batch = incoming;
        incoming = 0;
        stopSeen = stopSeen || rechecks > 0;
        rechecks = 0;
        unlock();
        ran = ran + batch
    od;

    // Loop::close()
#ifndef LATE_CLOSE
    lock(); admit = Nobody; unlock();
#endif
    do
    :: true ->
        lock();
        batch = incoming;
        incoming = 0;
        unlock();
        ran = ran + batch;
        if
        :: batch == 0 -> break
        :: else
        fi
    od;
#ifdef LATE_CLOSE
    lock(); admit = Nobody; unlock();
#endif
}

init {
    atomic {
        run LoopThread();
        run Stopper();
        run Sender();
        run Sender()
    }
    _nr_pr == 1;
    assert(incoming == 0);
    assert(ran == accepted);
    assert(accepted + refused == SENDERS * ITEMS)
}
