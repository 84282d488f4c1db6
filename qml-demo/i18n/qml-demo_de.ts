<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="de">
<context>
    <name>ChannelTable</name>
    <message>
        <source>Channels</source>
        <translation>Kanäle</translation>
    </message>
    <message>
        <source>(unnamed)</source>
        <translation>(ohne Namen)</translation>
    </message>
    <message>
        <source>%1 waiting, %2 received</source>
        <translation>%1 wartend, %2 empfangen</translation>
    </message>
    <message>
        <source>%1 dropped</source>
        <translation>%1 verworfen</translation>
    </message>
    <message>
        <source>peak %1</source>
        <translation>höchstens %1</translation>
    </message>
    <message>
        <source>%1 waiting</source>
        <translation>%1 wartend</translation>
    </message>
</context>
<context>
    <name>ChecksumCard</name>
    <message>
        <source>Checksums</source>
        <translation>Prüfsummen</translation>
    </message>
    <message>
        <source>Progress of the checksums</source>
        <translation>Fortschritt der Prüfsummen</translation>
    </message>
    <message>
        <source>Files: %1 of %2, %3 MB</source>
        <translation>Dateien: %1 von %2, %3 MB</translation>
    </message>
    <message>
        <source>Files: %1, counting …</source>
        <translation>Dateien: %1, wird gezählt …</translation>
    </message>
    <message>
        <source>Journal: %1</source>
        <translation>Journal: %1</translation>
    </message>
</context>
<context>
    <name>Demo::Director</name>
    <message>
        <source>%1 does not run. Start it first.</source>
        <translation>%1 läuft nicht. Starten Sie es zuerst.</translation>
    </message>
</context>
<context>
    <name>FaultCard</name>
    <message>
        <source>Faults</source>
        <translation>Störungen</translation>
    </message>
    <message>
        <source>injected into the service “troubled”</source>
        <translation>im Dienst „troubled“ auslösen</translation>
    </message>
    <message>
        <source>Fail</source>
        <translation>Fehlschlagen</translation>
    </message>
    <message>
        <source>Stall for 5 s</source>
        <translation>5 s blockieren</translation>
    </message>
    <message>
        <source>Ignore a cancellation</source>
        <translation>Abbruch ignorieren</translation>
    </message>
    <message>
        <source>Flood a channel</source>
        <translation>Kanal fluten</translation>
    </message>
</context>
<context>
    <name>Format</name>
    <message>
        <source>%1 µs</source>
        <translation>%1 µs</translation>
    </message>
    <message>
        <source>%1 ms</source>
        <translation>%1 ms</translation>
    </message>
    <message>
        <source>%1 s</source>
        <translation>%1 s</translation>
    </message>
    <message>
        <source>%1 min %2 s</source>
        <translation>%1 min %2 s</translation>
    </message>
    <message>
        <source>%1 h %2 min</source>
        <translation>%1 h %2 min</translation>
    </message>
    <message>
        <source>%1 G</source>
        <translation>%1 Mrd</translation>
    </message>
    <message>
        <source>%1 M</source>
        <translation>%1 Mio</translation>
    </message>
    <message>
        <source>%1 k</source>
        <translation>%1 Tsd</translation>
    </message>
    <message>
        <source>%1/s</source>
        <translation>%1/s</translation>
    </message>
    <message>
        <source>%1 %</source>
        <translation>%1 %</translation>
    </message>
    <message>
        <source>Created</source>
        <translation>Angelegt</translation>
    </message>
    <message>
        <source>Starting</source>
        <translation>Startet</translation>
    </message>
    <message>
        <source>Ready</source>
        <translation>Bereit</translation>
    </message>
    <message>
        <source>Stopping</source>
        <translation>Hält an</translation>
    </message>
    <message>
        <source>Stopped</source>
        <translation>Beendet</translation>
    </message>
    <message>
        <source>Failed</source>
        <translation>Fehlgeschlagen</translation>
    </message>
    <message>
        <source>Open</source>
        <translation>Offen</translation>
    </message>
    <message>
        <source>Closed</source>
        <translation>Geschlossen</translation>
    </message>
    <message>
        <source>Not begun</source>
        <translation>Nicht begonnen</translation>
    </message>
    <message>
        <source>Running</source>
        <translation>Läuft</translation>
    </message>
    <message>
        <source>Waiting</source>
        <translation>Wartet</translation>
    </message>
    <message>
        <source>Ending</source>
        <translation>Endet</translation>
    </message>
    <message>
        <source>Answers</source>
        <translation>Antwortet</translation>
    </message>
    <message>
        <source>Does not answer</source>
        <translation>Antwortet nicht</translation>
    </message>
    <message>
        <source>1 task</source>
        <translation>1 Aufgabe</translation>
    </message>
    <message numerus="yes">
        <source>%n tasks</source>
        <translation>
            <numerusform>%n Aufgabe</numerusform>
            <numerusform>%n Aufgaben</numerusform>
        </translation>
    </message>
    <message>
        <source>1 restart</source>
        <translation>1 Neustart</translation>
    </message>
    <message numerus="yes">
        <source>%n restarts</source>
        <translation>
            <numerusform>%n Neustart</numerusform>
            <numerusform>%n Neustarts</numerusform>
        </translation>
    </message>
    <message>
        <source>1 turn</source>
        <translation>1 Lauf</translation>
    </message>
    <message numerus="yes">
        <source>%1 turns</source>
        <translation>
            <numerusform>%1 Lauf</numerusform>
            <numerusform>%1 Läufe</numerusform>
        </translation>
    </message>
    <message>
        <source>ran for %1</source>
        <translation>lief %1</translation>
    </message>
    <message>
        <source>up %1</source>
        <translation>läuft seit %1</translation>
    </message>
</context>
<context>
    <name>Header</name>
    <message>
        <source>Services in this process, live</source>
        <translation>Dienste in diesem Prozess, live</translation>
    </message>
    <message>
        <source>Services</source>
        <translation>Dienste</translation>
    </message>
    <message>
        <source>Tasks</source>
        <translation>Aufgaben</translation>
    </message>
    <message>
        <source>Warnings</source>
        <translation>Warnungen</translation>
    </message>
    <message>
        <source>Language</source>
        <translation>Sprache</translation>
    </message>
    <message>
        <source>Light</source>
        <translation>Hell</translation>
    </message>
    <message>
        <source>Dark</source>
        <translation>Dunkel</translation>
    </message>
    <message>
        <source>Changes the colours</source>
        <translation>Wechselt die Farben</translation>
    </message>
</context>
<context>
    <name>LatencyBars</name>
    <message>
        <source>No request was answered yet</source>
        <translation>Noch keine Anfrage beantwortet</translation>
    </message>
    <message>
        <source>Latencies from %1 to %2</source>
        <translation>Antwortzeiten von %1 bis %2</translation>
    </message>
</context>
<context>
    <name>Main</name>
    <message>
        <source>QMicroIO dashboard</source>
        <translation>QMicroIO-Übersicht</translation>
    </message>
    <message>
        <source>Tasks</source>
        <translation>Aufgaben</translation>
    </message>
    <message>
        <source>Channels</source>
        <translation>Kanäle</translation>
    </message>
    <message>
        <source>Requests</source>
        <translation>Anfragen</translation>
    </message>
    <message>
        <source>what runs where, and what it waits for</source>
        <translation>was wo läuft und worauf es wartet</translation>
    </message>
    <message>
        <source>Only the chosen service</source>
        <translation>Nur der gewählte Dienst</translation>
    </message>
    <message>
        <source>depth and rate</source>
        <translation>Tiefe und Rate</translation>
    </message>
</context>
<context>
    <name>RequestCard</name>
    <message>
        <source>Requests</source>
        <translation>Anfragen</translation>
    </message>
    <message>
        <source>how long answers take</source>
        <translation>wie lange Antworten dauern</translation>
    </message>
    <message>
        <source>%1 · %2 pending · %3 failed</source>
        <translation>%1 · %2 offen · %3 gescheitert</translation>
    </message>
    <message>
        <source>half within %1, 99 % within %2</source>
        <translation>die Hälfte in %1, 99 % in %2</translation>
    </message>
</context>
<context>
    <name>ServiceCard</name>
    <message>
        <source>Services</source>
        <translation>Dienste</translation>
    </message>
    <message>
        <source>Choose a service</source>
        <translation>Wählen Sie einen Dienst</translation>
    </message>
    <message>
        <source>Failed: %1</source>
        <translation>Fehlgeschlagen: %1</translation>
    </message>
    <message>
        <source>Reason: %1</source>
        <translation>Grund: %1</translation>
    </message>
    <message>
        <source>Start</source>
        <translation>Starten</translation>
    </message>
    <message>
        <source>Stop</source>
        <translation>Anhalten</translation>
    </message>
    <message>
        <source>Restart</source>
        <translation>Neu starten</translation>
    </message>
    <message>
        <source>Cancel its tasks</source>
        <translation>Aufgaben abbrechen</translation>
    </message>
</context>
<context>
    <name>ServiceTable</name>
    <message>
        <source>Services</source>
        <translation>Dienste</translation>
    </message>
    <message>
        <source>(unnamed)</source>
        <translation>(ohne Namen)</translation>
    </message>
    <message>
        <source>%1 busy · %2 calls/s</source>
        <translation>%1 Last · %2 Aufrufe/s</translation>
    </message>
</context>
<context>
    <name>TaskTree</name>
    <message>
        <source>Tasks</source>
        <translation>Aufgaben</translation>
    </message>
    <message>
        <source>(unnamed)</source>
        <translation>(ohne Namen)</translation>
    </message>
    <message>
        <source>Root group</source>
        <translation>Wurzelgruppe</translation>
    </message>
    <message>
        <source>Group</source>
        <translation>Gruppe</translation>
    </message>
    <message>
        <source>ignores its cancellation for %1</source>
        <translation>ignoriert seinen Abbruch seit %1</translation>
    </message>
    <message>
        <source>does not answer: %1</source>
        <translation>antwortet nicht: %1</translation>
    </message>
    <message>
        <source>cancelled: %1</source>
        <translation>abgebrochen: %1</translation>
    </message>
    <message>
        <source>open</source>
        <translation>offen</translation>
    </message>
    <message>
        <source>closed</source>
        <translation>geschlossen</translation>
    </message>
</context>
</TS>
