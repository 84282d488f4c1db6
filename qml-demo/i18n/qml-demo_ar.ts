<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="ar">
<context>
    <name>ChannelTable</name>
    <message>
        <source>Channels</source>
        <translation>القنوات</translation>
    </message>
    <message>
        <source>(unnamed)</source>
        <translation>(بلا اسم)</translation>
    </message>
    <message>
        <source>%1 waiting, %2 received</source>
        <translation>%1 في الانتظار، %2 مستلَم</translation>
    </message>
    <message>
        <source>%1 dropped</source>
        <translation>أُسقط %1</translation>
    </message>
    <message>
        <source>peak %1</source>
        <translation>الذروة %1</translation>
    </message>
    <message>
        <source>%1 waiting</source>
        <translation>%1 في الانتظار</translation>
    </message>
</context>
<context>
    <name>ChecksumCard</name>
    <message>
        <source>Checksums</source>
        <translation>المجاميع التدقيقية</translation>
    </message>
    <message>
        <source>Progress of the checksums</source>
        <translation>تقدّم المجاميع التدقيقية</translation>
    </message>
    <message>
        <source>Files: %1 of %2, %3 MB</source>
        <translation>الملفات: %1 من %2، %3 م.بايت</translation>
    </message>
    <message>
        <source>Files: %1, counting …</source>
        <translation>الملفات: %1، جارٍ العدّ …</translation>
    </message>
    <message>
        <source>Journal: %1</source>
        <translation>السجل: %1</translation>
    </message>
</context>
<context>
    <name>Demo::Director</name>
    <message>
        <source>%1 does not run. Start it first.</source>
        <translation>%1 لا يعمل. شغّله أولًا.</translation>
    </message>
</context>
<context>
    <name>FaultCard</name>
    <message>
        <source>Faults</source>
        <translation>الأعطال</translation>
    </message>
    <message>
        <source>injected into the service “troubled”</source>
        <translation>تُحقن في الخدمة «troubled»</translation>
    </message>
    <message>
        <source>Fail</source>
        <translation>إخفاق</translation>
    </message>
    <message>
        <source>Stall for 5 s</source>
        <translation>تجميد 5 ث</translation>
    </message>
    <message>
        <source>Ignore a cancellation</source>
        <translation>تجاهل الإلغاء</translation>
    </message>
    <message>
        <source>Flood a channel</source>
        <translation>إغراق قناة</translation>
    </message>
</context>
<context>
    <name>Format</name>
    <message>
        <source>%1 µs</source>
        <translation>%1 م.ث</translation>
    </message>
    <message>
        <source>%1 ms</source>
        <translation>%1 ملّي ث</translation>
    </message>
    <message>
        <source>%1 s</source>
        <translation>%1 ث</translation>
    </message>
    <message>
        <source>%1 min %2 s</source>
        <translation>%1 د %2 ث</translation>
    </message>
    <message>
        <source>%1 h %2 min</source>
        <translation>%1 س %2 د</translation>
    </message>
    <message>
        <source>%1 G</source>
        <translation>%1 مليار</translation>
    </message>
    <message>
        <source>%1 M</source>
        <translation>%1 مليون</translation>
    </message>
    <message>
        <source>%1 k</source>
        <translation>%1 ألف</translation>
    </message>
    <message>
        <source>%1/s</source>
        <translation>%1/ث</translation>
    </message>
    <message>
        <source>%1 %</source>
        <translation>%1 ٪</translation>
    </message>
    <message>
        <source>Created</source>
        <translation>أُنشئت</translation>
    </message>
    <message>
        <source>Starting</source>
        <translation>تبدأ</translation>
    </message>
    <message>
        <source>Ready</source>
        <translation>جاهزة</translation>
    </message>
    <message>
        <source>Stopping</source>
        <translation>تتوقف</translation>
    </message>
    <message>
        <source>Stopped</source>
        <translation>متوقفة</translation>
    </message>
    <message>
        <source>Failed</source>
        <translation>أخفقت</translation>
    </message>
    <message>
        <source>Open</source>
        <translation>مفتوحة</translation>
    </message>
    <message>
        <source>Closed</source>
        <translation>مغلقة</translation>
    </message>
    <message>
        <source>Not begun</source>
        <translation>لم تبدأ</translation>
    </message>
    <message>
        <source>Running</source>
        <translation>قيد التنفيذ</translation>
    </message>
    <message>
        <source>Waiting</source>
        <translation>تنتظر</translation>
    </message>
    <message>
        <source>Ending</source>
        <translation>تنتهي</translation>
    </message>
    <message>
        <source>Answers</source>
        <translation>تستجيب</translation>
    </message>
    <message>
        <source>Does not answer</source>
        <translation>لا تستجيب</translation>
    </message>
    <message>
        <source>1 task</source>
        <translation>مهمة واحدة</translation>
    </message>
    <message numerus="yes">
        <source>%n tasks</source>
        <translation>
            <numerusform>لا مهام</numerusform>
            <numerusform>مهمة واحدة</numerusform>
            <numerusform>مهمتان</numerusform>
            <numerusform>%n مهام</numerusform>
            <numerusform>%n مهمة</numerusform>
            <numerusform>%n مهمة</numerusform>
        </translation>
    </message>
    <message>
        <source>1 restart</source>
        <translation>أُعيد تشغيلها مرة</translation>
    </message>
    <message numerus="yes">
        <source>%n restarts</source>
        <translation>
            <numerusform>لم يُعَد تشغيلها</numerusform>
            <numerusform>أُعيد تشغيلها مرة</numerusform>
            <numerusform>أُعيد تشغيلها مرتين</numerusform>
            <numerusform>أُعيد تشغيلها %n مرات</numerusform>
            <numerusform>أُعيد تشغيلها %n مرة</numerusform>
            <numerusform>أُعيد تشغيلها %n مرة</numerusform>
        </translation>
    </message>
    <message>
        <source>1 turn</source>
        <translation>دورة واحدة</translation>
    </message>
    <message numerus="yes">
        <source>%1 turns</source>
        <translation>
            <numerusform>%1 دورة</numerusform>
            <numerusform>%1 دورة</numerusform>
            <numerusform>%1 دورة</numerusform>
            <numerusform>%1 دورات</numerusform>
            <numerusform>%1 دورة</numerusform>
            <numerusform>%1 دورة</numerusform>
        </translation>
    </message>
    <message>
        <source>ran for %1</source>
        <translation>عملت %1</translation>
    </message>
    <message>
        <source>up %1</source>
        <translation>تعمل منذ %1</translation>
    </message>
</context>
<context>
    <name>Header</name>
    <message>
        <source>Services in this process, live</source>
        <translation>خدمات هذه العملية مباشرةً</translation>
    </message>
    <message>
        <source>Services</source>
        <translation>الخدمات</translation>
    </message>
    <message>
        <source>Tasks</source>
        <translation>المهام</translation>
    </message>
    <message>
        <source>Warnings</source>
        <translation>التحذيرات</translation>
    </message>
    <message>
        <source>Language</source>
        <translation>اللغة</translation>
    </message>
    <message>
        <source>Light</source>
        <translation>فاتح</translation>
    </message>
    <message>
        <source>Dark</source>
        <translation>داكن</translation>
    </message>
    <message>
        <source>Changes the colours</source>
        <translation>يغيّر الألوان</translation>
    </message>
</context>
<context>
    <name>LatencyBars</name>
    <message>
        <source>No request was answered yet</source>
        <translation>لم يُجَب عن أي طلب بعد</translation>
    </message>
    <message>
        <source>Latencies from %1 to %2</source>
        <translation>أزمنة الاستجابة من %1 إلى %2</translation>
    </message>
</context>
<context>
    <name>Main</name>
    <message>
        <source>QMicroIO dashboard</source>
        <translation>لوحة QMicroIO</translation>
    </message>
    <message>
        <source>Tasks</source>
        <translation>المهام</translation>
    </message>
    <message>
        <source>Channels</source>
        <translation>القنوات</translation>
    </message>
    <message>
        <source>Requests</source>
        <translation>الطلبات</translation>
    </message>
    <message>
        <source>what runs where, and what it waits for</source>
        <translation>ما الذي يعمل وأين، وماذا ينتظر</translation>
    </message>
    <message>
        <source>Only the chosen service</source>
        <translation>الخدمة المختارة فقط</translation>
    </message>
    <message>
        <source>depth and rate</source>
        <translation>العمق والمعدل</translation>
    </message>
</context>
<context>
    <name>RequestCard</name>
    <message>
        <source>Requests</source>
        <translation>الطلبات</translation>
    </message>
    <message>
        <source>how long answers take</source>
        <translation>زمن الإجابات</translation>
    </message>
    <message>
        <source>%1 · %2 pending · %3 failed</source>
        <translation>%1 · %2 معلّق · %3 مخفق</translation>
    </message>
    <message>
        <source>half within %1, 99 % within %2</source>
        <translation>النصف خلال %1، و99 ٪ خلال %2</translation>
    </message>
</context>
<context>
    <name>ServiceCard</name>
    <message>
        <source>Services</source>
        <translation>الخدمات</translation>
    </message>
    <message>
        <source>Choose a service</source>
        <translation>اختر خدمة</translation>
    </message>
    <message>
        <source>Failed: %1</source>
        <translation>أخفقت: %1</translation>
    </message>
    <message>
        <source>Reason: %1</source>
        <translation>السبب: %1</translation>
    </message>
    <message>
        <source>Start</source>
        <translation>تشغيل</translation>
    </message>
    <message>
        <source>Stop</source>
        <translation>إيقاف</translation>
    </message>
    <message>
        <source>Restart</source>
        <translation>إعادة التشغيل</translation>
    </message>
    <message>
        <source>Cancel its tasks</source>
        <translation>إلغاء مهامها</translation>
    </message>
</context>
<context>
    <name>ServiceTable</name>
    <message>
        <source>Services</source>
        <translation>الخدمات</translation>
    </message>
    <message>
        <source>(unnamed)</source>
        <translation>(بلا اسم)</translation>
    </message>
    <message>
        <source>%1 busy · %2 calls/s</source>
        <translation>%1 انشغال · %2 نداء/ث</translation>
    </message>
</context>
<context>
    <name>TaskTree</name>
    <message>
        <source>Tasks</source>
        <translation>المهام</translation>
    </message>
    <message>
        <source>(unnamed)</source>
        <translation>(بلا اسم)</translation>
    </message>
    <message>
        <source>Root group</source>
        <translation>المجموعة الجذر</translation>
    </message>
    <message>
        <source>Group</source>
        <translation>مجموعة</translation>
    </message>
    <message>
        <source>ignores its cancellation for %1</source>
        <translation>تتجاهل إلغاءها منذ %1</translation>
    </message>
    <message>
        <source>does not answer: %1</source>
        <translation>لا تستجيب: %1</translation>
    </message>
    <message>
        <source>cancelled: %1</source>
        <translation>أُلغيت: %1</translation>
    </message>
    <message>
        <source>open</source>
        <translation>مفتوح</translation>
    </message>
    <message>
        <source>closed</source>
        <translation>مغلق</translation>
    </message>
</context>
</TS>
