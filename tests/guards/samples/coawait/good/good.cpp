// SPDX-License-Identifier: Apache-2.0
// Nothing here may be reported.

#define AWAIT_WITH_CAPTURE(x) co_await start([x] { \
        use(x); })

struct Widget : Base {
    Widget() : m_list{1, 2}, m_text(u"x"_s) { start([this] { return 1; }); }
    QStringList m_names{u"a"_s, u"b"_s};
    Task<> run();
};

Task<> behaves(Group &group, Sender &sender, int x)
{
    // co_await group.start([x] { use(x); });
    /* co_await group.start([x] {
           use(x); }); */
    const char *text = "co_await group.start([x] { use(x); });";
    const char *raw = R"x(co_await group.start([x] { use(x); }); )" )x";
    const char quote = '"';
    const int big = 1'000'000;

    auto named = [x] { use(x); };
    co_await group.start(named);
    co_await group.start([] { use(1); });
    co_await group.start([&] { use(x); });
    co_await group.start([&x] { use(x); });
    co_await group.start([this] { use(x); });
    co_await group.start([this, &x, &y = x] { use(x); });
    auto awaitable = group.start([x] { use(x); });
    co_await std::move(awaitable);
    group.startSoon([x]() -> Task<> { co_await sleep(1s); });
    group.startSoon(Message{1, 2});
    co_await group.run([&]() -> Task<> {
        group.startSoon([x] { use(x); });
        group.startSoon(Message{1, 2});
        co_await sleep(std::chrono::seconds{1});
    });
    if (start([x] { return x; }))
        co_await sleep(1s);
    if (auto f = [x] { return x; }; co_await sleep(f()))
        co_return;
    auto [first, second] = co_await pair();
    auto &[third, fourth] = co_await pair();
    const auto &&[fifth, sixth] = co_await pair();
    use(list[x], co_await value(list[x + 1]), table()[x][x]);
    [[maybe_unused]] auto unused = co_await value();
    const Message message{1, co_await value()};
    Message other{1, 2};
    co_await sender.send(other);
    co_await sender.send(Message{});
    co_await sender.send({});
    co_await sender.send(QString());
    co_await sender.send(quint64{5}, int{3});
    // lint-coawait: ok Text has a user-declared constructor
    co_await sender.send(Text{u"a"_s});
    co_await sender.send(Text{u"a"_s}); // lint-coawait: ok Text has a user-declared constructor
    while (x)
        group.startSoon([x] { use(x); });
    do
        group.startSoon([x] { use(x); });
    while (co_await value());
    delete[] numbers;
    new int[x];
}
