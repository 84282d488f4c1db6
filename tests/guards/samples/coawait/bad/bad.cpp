// SPDX-License-Identifier: Apache-2.0
// Each line that ends in a comment "expect: KIND" must be reported as that kind, and no other line.

Task<> offends(Group &group, Sender &sender, int x, std::shared_ptr<int> p)
{
    co_await group.start([x] { use(x); });                             // expect: capture
    co_await group.start([=] { use(x); });                             // expect: capture
    co_await group.start([y = x + 1] { use(y); });                     // expect: capture
    co_await group.start([p = std::move(p)]() mutable { use(*p); });   // expect: capture
    co_await group.start([&, x]() -> Task<std::map<int, int>> { co_return {}; }); // expect: capture
    co_await group.start([&x, *this] { use(x); });                     // expect: capture
    co_await group.start([... args = std::move(args)] { use(args...); }); // expect: capture
    co_await group.start([x]<typename T>(T value) noexcept { use(x, value); }); // expect: capture
    auto v = value(co_await ready(), [x] { return x; });               // expect: capture
    if (co_await group.start([x] { return x; })) {                     // expect: capture
        co_await sender.send(Message{1, u"text"_s});                   // expect: aggregate
    }
    for (auto i = co_await group.start([x] { return x; }); i; --i)     // expect: capture
        co_await sender.send(app::Message<int>{1, 2});                 // expect: aggregate
    co_await sender.send({1, u"text"_s});                              // expect: aggregate
    co_await sender.send(0, {1, u"text"_s});                           // expect: aggregate
    co_await sender.sendAll(QStringList{u"a"_s, u"b"_s});              // expect: init-list
    co_await QStringList{u"a"_s};                                      // expect: init-list
    co_await group.run([&]() -> Task<> {
        co_await group.start([x] { use(x); });                         // expect: capture
        auto inner = [x] { use(x); };
        co_await group.start(inner);
    });
    const auto *text = R"(a raw string with [x] and co_await and a " quote)";
    co_await
        group.start(
            [x] { use(x); });                                          // expect: capture
    co_await [x]() -> Task<> { co_return; }();                         // expect: capture
    switch (x) {
    case 1:
        co_return co_await group.start([x] { return x; });             // expect: capture
    }
    // lint-coawait: ok
    co_await sender.send(Message{1});                                  // expect: excuse
}
