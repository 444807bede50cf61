-- A ledger as version 1 of the schema was written: one service, an incident and a note, both sealed, and one second.
CREATE TABLE span_second (start INTEGER NOT NULL, service INTEGER NOT NULL REFERENCES service, up INTEGER NOT NULL, down INTEGER NOT NULL,
 planned INTEGER NOT NULL, unknown INTEGER NOT NULL, good INTEGER NOT NULL, failed INTEGER NOT NULL, slow INTEGER NOT NULL,
 excluded INTEGER NOT NULL, PRIMARY KEY (start, service)) STRICT, WITHOUT ROWID;
CREATE TABLE span_minute (start INTEGER NOT NULL, service INTEGER NOT NULL REFERENCES service, up INTEGER NOT NULL, down INTEGER NOT NULL,
 planned INTEGER NOT NULL, unknown INTEGER NOT NULL, good INTEGER NOT NULL, failed INTEGER NOT NULL, slow INTEGER NOT NULL,
 excluded INTEGER NOT NULL, PRIMARY KEY (start, service)) STRICT, WITHOUT ROWID;
CREATE TABLE span_hour (start INTEGER NOT NULL, service INTEGER NOT NULL REFERENCES service, up INTEGER NOT NULL, down INTEGER NOT NULL,
 planned INTEGER NOT NULL, unknown INTEGER NOT NULL, good INTEGER NOT NULL, failed INTEGER NOT NULL, slow INTEGER NOT NULL,
 excluded INTEGER NOT NULL, PRIMARY KEY (start, service)) STRICT, WITHOUT ROWID;
CREATE TABLE span_day (start INTEGER NOT NULL, service INTEGER NOT NULL REFERENCES service, up INTEGER NOT NULL, down INTEGER NOT NULL,
 planned INTEGER NOT NULL, unknown INTEGER NOT NULL, good INTEGER NOT NULL, failed INTEGER NOT NULL, slow INTEGER NOT NULL,
 excluded INTEGER NOT NULL, PRIMARY KEY (start, service)) STRICT, WITHOUT ROWID;
CREATE TABLE about (name TEXT PRIMARY KEY, meaning TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO about VALUES
 ('times', 'milliseconds since 1970-01-01T00:00:00Z; in the shell: datetime(start / 1000, ''unixepoch'')'),
 ('span_second, span_minute, span_hour, span_day', 'what each stretch of that length held, for each service. Each second is in all four; seconds are kept for an hour, minutes for 2 days, hours for 90 days, days (of UTC) for 5 years'),
 ('up, down, planned, unknown', 'milliseconds: the service was up; it was down and that was not planned; announced maintenance; nobody watched'),
 ('good, failed, slow, excluded', 'requests: ended well; failed by the proxy''s or the backends'' doing; answered later than promised; counted neither way (mistakes of clients, maintenance)'),
 ('incident', 'times in which a service was down: began, detected and ended (none = under way); lasted_ms and down_ms by a clock that is never set; rto_ms = within what time it was to be back'),
 ('note', 'what people wrote about incidents'),
 ('gap', 'times of which nobody knows, and why; file = where the history before is'),
 ('clock_jump', 'the clock was set: the time after it, and by how many milliseconds'),
 ('maintenance', 'times in which a service was allowed to be away'),
 ('event', 'what happened, for 90 days'),
 ('kept', 'what parts of the program must not forget'),
 ('seal', 'proof that nothing was changed later: hash = SHA-256, in hexadecimal, of the hash of the row before (64 zeros before the first), a line feed, kind, a line feed, key, a line feed, content. What has changed since is sealed again'),
 ('unsealed_day', 'days that have changed since they were sealed'),
 ('meta', 'until = up to when time is accounted; keeper = which run of the program keeps the time; batch = the last that was written; complete_second, _minute, _hour, _day = before this time rows of that level are not all there; pruned_before = history before was deleted by hand; sealed_before and its hash = where the chain of seals was cut');
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE service (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, since INTEGER NOT NULL) STRICT;
CREATE TABLE incident (id INTEGER PRIMARY KEY, service INTEGER NOT NULL REFERENCES service, began INTEGER NOT NULL,
 detected INTEGER NOT NULL, ended INTEGER, is_cut INTEGER NOT NULL, lasted_ms INTEGER NOT NULL, down_ms INTEGER NOT NULL,
 rto_ms INTEGER NOT NULL, cause TEXT NOT NULL, cause_text TEXT NOT NULL, backends TEXT NOT NULL, actions TEXT NOT NULL,
 lost INTEGER NOT NULL, good INTEGER NOT NULL) STRICT;
CREATE INDEX incident_began ON incident (began);
CREATE TABLE note (id INTEGER PRIMARY KEY AUTOINCREMENT, incident INTEGER NOT NULL, at INTEGER NOT NULL, who TEXT NOT NULL, text TEXT NOT NULL) STRICT;
CREATE INDEX note_incident ON note (incident);
CREATE TABLE gap (id INTEGER PRIMARY KEY, start INTEGER NOT NULL, end INTEGER NOT NULL, why TEXT NOT NULL, file TEXT) STRICT;
CREATE TABLE clock_jump (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, by_ms INTEGER NOT NULL) STRICT;
CREATE TABLE maintenance (id INTEGER PRIMARY KEY, service INTEGER NOT NULL REFERENCES service, start INTEGER NOT NULL,
 end INTEGER NOT NULL, reason TEXT NOT NULL, who TEXT NOT NULL) STRICT;
CREATE TABLE event (number INTEGER PRIMARY KEY AUTOINCREMENT, id INTEGER NOT NULL, time INTEGER NOT NULL, kind TEXT NOT NULL,
 level TEXT NOT NULL, service TEXT, backend TEXT, json TEXT NOT NULL) STRICT;
CREATE INDEX event_time ON event (time);
CREATE INDEX event_service ON event (service, time);
CREATE TABLE kept (room TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (room, key)) STRICT, WITHOUT ROWID;
CREATE TABLE seal (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, content TEXT NOT NULL, hash TEXT NOT NULL) STRICT;
CREATE INDEX seal_key ON seal (kind, key);
CREATE TABLE unsealed_day (start INTEGER PRIMARY KEY) STRICT;
CREATE VIEW day AS SELECT date(d.start / 1000, 'unixepoch') AS day, s.name AS service, d.up, d.down, d.planned, d.unknown,
 100.0 * d.up / nullif(d.up + d.down, 0) AS percent_by_time, d.good, d.failed, d.slow, d.excluded,
 100.0 * d.good / nullif(d.good + d.failed + d.slow, 0) AS percent_by_requests
 FROM span_day d JOIN service s ON s.id = d.service ORDER BY d.start, s.name;
INSERT INTO service VALUES (1, 'api', 1795741200000);
INSERT INTO incident VALUES (1, 1, 1795741200000, 1795741200300, 1795741207000, 0, 7000, 7000, 60000, 'check', 'refused', '["a:1"]', '[]', 12, 3);
INSERT INTO note VALUES (1, 1, 1795741209000, 'ann', 'it was the disk');
INSERT INTO seal VALUES (1, 'incident', '1', '{"id":1,"service":"api","began":1795741200000,"detected":1795741200300,"ended":1795741207000,"is_cut":0,"lasted_ms":7000,"down_ms":7000,"rto_ms":60000,"cause":"check","cause_text":"refused","backends":"[\"a:1\"]","actions":"[]","lost":12,"good":3}', 'e8cdc11a1dbcee45604baf950eeeabded9ba6212ca40add79bd616b8fca68b0a');
INSERT INTO seal VALUES (2, 'note', '1', '{"id":1,"incident":1,"at":1795741209000,"who":"ann","text":"it was the disk"}', 'ade750180e75d986fab4cb9a7fe210cfb910f7e6857b6e10cc7b2c83758f445b');
INSERT INTO span_second VALUES (1795741208000, 1, 1000, 0, 0, 0, 1, 0, 0, 0);
INSERT INTO span_minute VALUES (1795741200000, 1, 1000, 0, 0, 0, 1, 0, 0, 0);
INSERT INTO span_hour VALUES (1795741200000, 1, 1000, 0, 0, 0, 1, 0, 0, 0);
INSERT INTO span_day VALUES (1795737600000, 1, 1000, 0, 0, 0, 1, 0, 0, 0);
INSERT INTO unsealed_day VALUES (1795737600000);
INSERT INTO meta VALUES ('until', '1795741209000'), ('keeper', '0000000000000001');
INSERT INTO kept VALUES ('run', 'ended', 'stopped', 1795741209000);
PRAGMA application_id = 1165380460;
PRAGMA user_version = 1;
