// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/detail/seam.h>

#include <QtCore/QAbstractEventDispatcher>
#include <QtCore/QCoreApplication>
#include <QtCore/QEvent>
#include <QtCore/QStringList>
#include <QtCore/QThread>

#include <cstdlib>
#include <limits>
#include <thread>

namespace QMicroIO::detail {

namespace {

constexpr std::size_t ChunkBytes = 16 * 1024;
constexpr std::size_t KeptChunks = 64;

// Leaked on purpose: threads may still block or end while static objects are being destroyed.
std::mutex &graphMutex()
{
    static auto *mutex = new std::mutex;
    return *mutex;
}

} // namespace

WorkBatch::~WorkBatch()
{
    while (runNext(Fate::Refused)) { }
    for (Chunk *list : {m_head, m_spent, m_free}) {
        while (list) {
            Chunk *next = list->next;
            std::free(list);
            list = next;
        }
    }
}

void WorkBatch::swap(WorkBatch &other) noexcept
{
    std::swap(m_head, other.m_head);
    std::swap(m_tail, other.m_tail);
    std::swap(m_spent, other.m_spent);
    std::swap(m_free, other.m_free);
    std::swap(m_freeCount, other.m_freeCount);
    std::swap(m_readPos, other.m_readPos);
    std::swap(m_reserved, other.m_reserved);
    std::swap(m_count, other.m_count);
}

void WorkBatch::addChunk(std::size_t need)
{
    Chunk *chunk = nullptr;
    if (m_free && need <= m_free->capacity) {
        chunk = m_free;
        m_free = chunk->next;
        --m_freeCount;
        chunk->next = nullptr;
        chunk->used = 0;
    } else {
        const std::size_t capacity = std::max(need, ChunkBytes - ChunkHead);
        void *memory = std::malloc(ChunkHead + capacity);
        if (!memory)
            throw std::bad_alloc();
        chunk = ::new (memory) Chunk{nullptr, 0, capacity};
    }
    if (m_tail)
        m_tail->next = chunk;
    else
        m_head = chunk;
    m_tail = chunk;
}

bool WorkBatch::runNext(Fate fate)
{
    if (m_count == 0)
        return false;
    Chunk *chunk = m_head;
    const auto *record = std::launder(reinterpret_cast<Record *>(data(chunk) + m_readPos));
    void *stored = data(chunk) + m_readPos + align(sizeof(Record));
    const Run run = record->run;
    m_readPos += align(sizeof(Record)) + record->size;
    --m_count;
    if (m_readPos == chunk->used) {
        m_head = chunk->next;
        if (!m_head)
            m_tail = nullptr;
        m_readPos = 0;
        chunk->next = m_spent;
        m_spent = chunk;
    }
    run(stored, fate);
    return true;
}

void WorkBatch::recycle() noexcept
{
    while (Chunk *chunk = m_spent) {
        m_spent = chunk->next;
        if (m_freeCount < KeptChunks && chunk->capacity == ChunkBytes - ChunkHead) {
            chunk->next = m_free;
            m_free = chunk;
            ++m_freeCount;
        } else {
            std::free(chunk);
        }
    }
}

namespace {

// A service goes by a node that callers know before its thread exists.
std::shared_ptr<ThreadNode> &threadNode()
{
    thread_local std::shared_ptr<ThreadNode> node = std::make_shared<ThreadNode>();
    return node;
}

// With the graph's mutex held: the thread that `node` keeps waiting for, null when it waits for none.
const ThreadNode *next(const ThreadNode *node)
{
    const ThreadNode::Wait &wait = node->wait;
    return wait.target && !(wait.isOver && wait.isOver(wait.what)) ? wait.target : nullptr;
}

QString nameOf(const ThreadNode &node)
{
    return node.name.isEmpty() ? QStringLiteral("(unnamed)") : node.name;
}

} // namespace

QString currentThreadName()
{
    QThread *thread = QThread::currentThread();
    if (thread && !thread->objectName().isEmpty())
        return thread->objectName();
    if (QCoreApplication *app = QCoreApplication::instance(); app && thread == app->thread())
        return QStringLiteral("main thread");
    return QStringLiteral("thread 0x%1").arg(reinterpret_cast<quintptr>(QThread::currentThreadId()), 0, 16);
}

std::shared_ptr<ThreadNode> currentThreadNode()
{
    const std::shared_ptr<ThreadNode> &node = threadNode();
    if (node->name.isEmpty()) {
        const QString name = currentThreadName();
        const std::lock_guard lock(graphMutex());
        node->name = name;
    }
    return node;
}

void adoptThreadNode(const std::shared_ptr<ThreadNode> &node)
{
    threadNode() = node;
}

WaitEdge::WaitEdge(const std::shared_ptr<ThreadNode> &target, const char *call)
    : WaitEdge(target, call, nullptr, nullptr)
{
}

WaitEdge::WaitEdge(const std::shared_ptr<ThreadNode> &target, const char *call, const Gate &gate)
    : WaitEdge(target, call, [](const void *what) noexcept { return static_cast<const Gate *>(what)->isOpen(); }, &gate)
{
}

WaitEdge::WaitEdge(const std::shared_ptr<ThreadNode> &target, const char *call, const std::atomic<bool> &over)
    : WaitEdge(
          target, call,
          [](const void *what) noexcept {
              return static_cast<const std::atomic<bool> *>(what)->load(std::memory_order_acquire);
          },
          &over)
{
}

WaitEdge::WaitEdge(const std::shared_ptr<ThreadNode> &target, const char *call, ThreadNode::IsOver isOver,
                   const void *what)
    : m_self(threadNode().get())
    , m_target(target)
{
    if (m_self->name.isEmpty())
        static_cast<void>(currentThreadNode());
    QStringList path;
    {
        const std::lock_guard lock(graphMutex());
        // No cycle can stand in the graph already, since none is ever closed: the walk ends.
        bool cycle = false;
        for (const ThreadNode *node = target.get(); node && !cycle; node = next(node))
            cycle = node == m_self;
        if (!cycle) {
            m_outer = std::exchange(m_self->wait, {target.get(), call, isOver, what});
            return;
        }
        const QString self = nameOf(*m_self);
        path += self;
        QStringList calls(QString::fromUtf8(call));
        for (const ThreadNode *node = target.get(); node; node = next(node)) {
            path += node == m_self ? self : nameOf(*node);
            if (node == m_self)
                break;
            calls += QString::fromUtf8(node->wait.call);
        }
        path = {path.join(QStringLiteral(" -> ")), calls.join(QStringLiteral(", "))};
    }
    throw DeadlockError(QStringLiteral("%1 would wait for itself: %2 (by %3); make one of these calls asynchronous "
                                       "(submit(), callSoon())")
                            .arg(QString::fromUtf8(call), path.at(0), path.at(1)));
}

WaitEdge::~WaitEdge()
{
    const std::lock_guard lock(graphMutex());
    m_self->wait = m_outer;
}

Seam::Seam(std::shared_ptr<ThreadNode> thread)
    : m_thread(std::move(thread))
{
}

Seam::~Seam()
{
    for (Recheckable *scope : m_rechecks)
        scope->deref();
}

quint64 Seam::ownerToken() noexcept
{
    // A number, not an address: the system gives the memory of ended threads to new ones, and a new thread must not pass
    // for the one whose loop has ended.
    constinit static std::atomic<quint64> last{0};
    constinit thread_local quint64 token = 0;
    if (Q_UNLIKELY(token == 0))
        token = last.fetch_add(1, std::memory_order_relaxed) + 1;
    return token;
}

QString Seam::blocksFor() const
{
    const std::lock_guard lock(graphMutex());
    const ThreadNode *other = next(m_thread.get());
    return other ? nameOf(*other) : QString();
}

void Seam::postRecheck(Recheckable &scope)
{
    for (;;) {
        std::unique_lock lock(m_mutex);
        if (m_admit == Admit::Nobody)
            return; // every wait of that loop has already been told that it ends
        try {
            m_rechecks.push_back(&scope);
        } catch (const std::bad_alloc &) {
            lock.unlock();
            waitForMemory(); // a cancellation is asked for once only
            continue;
        }
        scope.ref();
        m_hasRechecks.store(true, std::memory_order_release);
        arrived(lock);
        return;
    }
}

void Seam::waitForMemory()
{
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

quint64 Seam::calls()
{
    const std::lock_guard lock(m_mutex);
    return m_calls;
}

bool Seam::isOpen(From from)
{
    const std::lock_guard lock(m_mutex);
    return admits(from);
}

bool Seam::hasIncoming()
{
    const std::lock_guard lock(m_mutex);
    return !m_incoming.isEmpty();
}

void Seam::open()
{
    const std::lock_guard lock(m_mutex);
    m_admit = Admit::Everyone;
}

void Seam::narrow(Admit whom)
{
    const std::lock_guard lock(m_mutex);
    m_admit = std::max(m_admit, whom);
}

void Seam::attach(QObject *receiver)
{
    {
        const std::lock_guard lock(m_receiverMutex);
        m_receiver = receiver;
    }
    {
        const QString name = currentThreadName();
        const std::lock_guard lock(graphMutex());
        threadNode() = m_thread;
        m_thread->name = name;
    }
    m_owner.store(ownerToken(), std::memory_order_relaxed);
    std::unique_lock lock(m_mutex);
    m_wakePosted = false;
    if (!m_incoming.isEmpty() || !m_rechecks.empty())
        arrived(lock);
}

void Seam::detach()
{
    const std::lock_guard lock(m_receiverMutex);
    m_receiver = nullptr;
}

int Seam::wakeEventType()
{
    static const int type = QEvent::registerEventType();
    return type;
}

void Seam::postWake() noexcept
{
    const std::lock_guard lock(m_receiverMutex);
    if (!m_receiver)
        return;
    try {
        QCoreApplication::postEvent(m_receiver, new QEvent(QEvent::Type(wakeEventType())));
    } catch (...) {
        m_missedWake.store(true);
        if (QAbstractEventDispatcher *dispatcher = QAbstractEventDispatcher::instance(m_receiver->thread()))
            dispatcher->wakeUp();
    }
}

bool Seam::take(WorkBatch &work, std::vector<Recheckable *> &rechecks)
{
    const std::lock_guard lock(m_mutex);
    m_wakePosted = false;
    m_arrived.store(false, std::memory_order_relaxed);
    if (work.isEmpty())
        work.swap(m_incoming);
    rechecks.swap(m_rechecks);
    m_hasRechecks.store(false, std::memory_order_relaxed);
    return !m_incoming.isEmpty();
}

void Seam::takeRechecks(std::vector<Recheckable *> &rechecks)
{
    const std::lock_guard lock(m_mutex);
    rechecks.swap(m_rechecks);
    m_hasRechecks.store(false, std::memory_order_relaxed);
}

void Seam::wakeSelf()
{
    std::unique_lock lock(m_mutex);
    if (m_wakePosted)
        return;
    m_wakePosted = true;
    lock.unlock();
    postWake();
}

bool Seam::startWatching()
{
    const std::lock_guard lock(m_mutex);
    if (m_wakePosted || !m_incoming.isEmpty() || !m_rechecks.empty())
        return false;
    m_watching = true;
    return true;
}

bool Seam::stopWatching()
{
    const std::lock_guard lock(m_mutex);
    m_watching = false;
    return !m_incoming.isEmpty() || !m_rechecks.empty();
}

std::chrono::nanoseconds wakeUpTime()
{
    static const bool hasCores = QThread::idealThreadCount() > 1;
    return hasCores ? std::chrono::microseconds(30) : std::chrono::microseconds(0);
}

LoopCaller::LoopCaller(Seam &seam) noexcept
    : m_seam(seam)
{
    const int core = currentCore();
    seam.callerCore.store(core, std::memory_order_relaxed);
    if (core >= 0 && core == seam.loopCore.load(std::memory_order_relaxed))
        return;
    const std::chrono::nanoseconds busy(seam.busyPollNs.load(std::memory_order_relaxed));
    m_spin = core >= 0 ? std::max(busy, wakeUpTime()) : busy;
}

void Gate::open() noexcept
{
    if (m_state.exchange(Open, std::memory_order_acq_rel) == Sleeping)
        m_opened.release();
}

// In state Sleeping. False: the gate is shut again.
bool Gate::sleepByHook(ClockHook &clock, TimePoint until, bool &clockIsGone)
{
    class Sleep final : public Sleeper
    {
    public:
        Sleep(QSemaphore &semaphore, TimePoint until)
            : Sleeper(until)
            , m_semaphore(semaphore)
        {
        }
        void poke() override
        {
            ++pokes;
            m_semaphore.release();
        }
        std::atomic<int> pokes{0};

    private:
        QSemaphore &m_semaphore;
    } sleep(m_opened, until);
    int acquired = 0;
    clock.sleeps(sleep);
    while (m_state.load(std::memory_order_acquire) != Open && !sleep.isOver()) {
        m_opened.acquire();
        ++acquired;
    }
    clock.awake(sleep);
    int expected = Sleeping;
    const bool opened = !m_state.compare_exchange_strong(expected, Shut, std::memory_order_acq_rel);
    // Every release is waited for: the opener's may still be under way, and must not find the gate gone.
    m_opened.acquire(sleep.pokes + (opened ? 1 : 0) - acquired);
    clockIsGone = !opened && !sleep.timeIsUp();
    return opened;
}

bool Gate::wait(QDeadlineTimer deadline, std::chrono::nanoseconds spin, Counts counts)
{
    if (spinUntil([this] { return m_state.load(std::memory_order_acquire) == Open; }, spin))
        return true;
    int expected = Shut;
    if (!m_state.compare_exchange_strong(expected, Sleeping, std::memory_order_acq_rel))
        return true;
    if (ClockHook *clock = clockHook(); Q_UNLIKELY(clock != nullptr) && counts == Counts::AsNow) {
        bool clockIsGone = false;
        const bool opened = sleepByHook(*clock, instantOf(deadline), clockIsGone);
        return clockIsGone ? wait(deadline) : opened;
    }
    // Sanitizers do not see into a Qt that is built without them; the state tells them what the semaphore does.
    const auto opened = [this] { return m_state.load(std::memory_order_acquire) == Open; };
    if (deadline.isForever()) {
        m_opened.acquire();
        return opened();
    }
    do {
        const qint64 left = std::chrono::ceil<std::chrono::milliseconds>(deadline.remainingTimeAsDuration()).count();
        if (m_opened.tryAcquire(1, int(std::min<qint64>(left, std::numeric_limits<int>::max()))))
            return opened();
    } while (!deadline.hasExpired());
    expected = Sleeping;
    if (m_state.compare_exchange_strong(expected, Shut, std::memory_order_acq_rel))
        return false;
    m_opened.acquire(); // the opener came just in time and is about to release it
    return opened();
}

} // namespace QMicroIO::detail
