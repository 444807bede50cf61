-- A ledger as version 2 of the schema was written by the program itself: a service that was down once for five seconds, an incident, a note and an attempt
-- at a recovery, all three sealed. Its events are left out but for two.
PRAGMA foreign_keys = OFF;
BEGIN TRANSACTION;
CREATE TABLE span_second (start INTEGER NOT NULL, service INTEGER NOT NULL REFERENCES service, up INTEGER NOT NULL, down INTEGER NOT NULL,
 planned INTEGER NOT NULL, unknown INTEGER NOT NULL, good INTEGER NOT NULL, failed INTEGER NOT NULL, slow INTEGER NOT NULL,
 excluded INTEGER NOT NULL, PRIMARY KEY (start, service)) STRICT, WITHOUT ROWID;
INSERT INTO span_second VALUES(1795916244000,1,62,0,0,0,0,0,0,0);
INSERT INTO span_second VALUES(1795916245000,1,1000,0,0,0,0,0,0,0);
INSERT INTO span_second VALUES(1795916246000,1,1000,0,0,0,0,0,0,0);
INSERT INTO span_second VALUES(1795916247000,1,1000,0,0,0,2,0,0,0);
INSERT INTO span_second VALUES(1795916248000,1,270,730,0,0,1,0,0,0);
INSERT INTO span_second VALUES(1795916249000,1,0,1000,0,0,0,0,0,0);
INSERT INTO span_second VALUES(1795916250000,1,0,1000,0,0,0,0,0,0);
INSERT INTO span_second VALUES(1795916251000,1,0,1000,0,0,0,0,0,0);
INSERT INTO span_second VALUES(1795916252000,1,0,1000,0,0,0,0,0,0);
INSERT INTO span_second VALUES(1795916253000,1,634,366,0,0,0,0,0,0);
INSERT INTO span_second VALUES(1795916254000,1,1000,0,0,0,0,0,0,0);
INSERT INTO span_second VALUES(1795916255000,1,1000,0,0,0,0,0,0,0);
INSERT INTO span_second VALUES(1795916256000,1,1000,0,0,0,0,0,0,0);
INSERT INTO span_second VALUES(1795916257000,1,1000,0,0,0,0,0,0,0);
INSERT INTO span_second VALUES(1795916258000,1,1000,0,0,0,0,0,0,0);
INSERT INTO span_second VALUES(1795916259000,1,1000,0,0,0,0,0,0,0);
INSERT INTO span_second VALUES(1795916260000,1,1000,0,0,0,0,0,0,0);
INSERT INTO span_second VALUES(1795916261000,1,1000,0,0,0,0,0,0,0);
INSERT INTO span_second VALUES(1795916262000,1,1000,0,0,0,0,0,0,0);
INSERT INTO span_second VALUES(1795916263000,1,1000,0,0,0,0,0,0,0);
INSERT INTO span_second VALUES(1795916264000,1,1000,0,0,0,0,0,0,0);
INSERT INTO span_second VALUES(1795916265000,1,1000,0,0,0,0,0,0,0);
INSERT INTO span_second VALUES(1795916266000,1,1000,0,0,0,0,0,0,0);
INSERT INTO span_second VALUES(1795916267000,1,1000,0,0,0,0,0,0,0);
INSERT INTO span_second VALUES(1795916268000,1,971,0,0,0,0,0,0,0);
CREATE TABLE span_minute (start INTEGER NOT NULL, service INTEGER NOT NULL REFERENCES service, up INTEGER NOT NULL, down INTEGER NOT NULL,
 planned INTEGER NOT NULL, unknown INTEGER NOT NULL, good INTEGER NOT NULL, failed INTEGER NOT NULL, slow INTEGER NOT NULL,
 excluded INTEGER NOT NULL, PRIMARY KEY (start, service)) STRICT, WITHOUT ROWID;
INSERT INTO span_minute VALUES(1795916220000,1,18937,5096,0,0,3,0,0,0);
CREATE TABLE span_hour (start INTEGER NOT NULL, service INTEGER NOT NULL REFERENCES service, up INTEGER NOT NULL, down INTEGER NOT NULL,
 planned INTEGER NOT NULL, unknown INTEGER NOT NULL, good INTEGER NOT NULL, failed INTEGER NOT NULL, slow INTEGER NOT NULL,
 excluded INTEGER NOT NULL, PRIMARY KEY (start, service)) STRICT, WITHOUT ROWID;
INSERT INTO span_hour VALUES(1795914000000,1,18937,5096,0,0,3,0,0,0);
CREATE TABLE span_day (start INTEGER NOT NULL, service INTEGER NOT NULL REFERENCES service, up INTEGER NOT NULL, down INTEGER NOT NULL,
 planned INTEGER NOT NULL, unknown INTEGER NOT NULL, good INTEGER NOT NULL, failed INTEGER NOT NULL, slow INTEGER NOT NULL,
 excluded INTEGER NOT NULL, PRIMARY KEY (start, service)) STRICT, WITHOUT ROWID;
INSERT INTO span_day VALUES(1795910400000,1,18937,5096,0,0,3,0,0,0);
CREATE TABLE about (name TEXT PRIMARY KEY, meaning TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO about VALUES('clock_jump','the clock was set: the time after it, and by how many milliseconds');
INSERT INTO about VALUES('event','what happened, for 90 days');
INSERT INTO about VALUES('gap','times of which nobody knows, and why; file = where the history before is');
INSERT INTO about VALUES('good, failed, slow, excluded','requests: ended well; failed by the proxy''s or the backends'' doing; answered later than promised; counted neither way (mistakes of clients, maintenance)');
INSERT INTO about VALUES('incident','times in which a service was down: began, detected and ended (none = under way); lasted_ms and down_ms by a clock that is never set; rto_ms = within what time it was to be back');
INSERT INTO about VALUES('kept','what parts of the program must not forget');
INSERT INTO about VALUES('maintenance','times in which a service was allowed to be away');
INSERT INTO about VALUES('meta','until = up to when time is accounted; keeper = which run of the program keeps the time; batch = the last that was written; complete_second, _minute, _hour, _day = before this time rows of that level are not all there; pruned_before = history before was deleted by hand; sealed_before and its hash = where the chain of seals was cut');
INSERT INTO about VALUES('note','what people wrote about incidents');
INSERT INTO about VALUES('recovery','attempts to repair a service or a backend: fault = what was wrong, strategy = what was tried; end and outcome (none = under way); dry_run = nothing was done; in_force = what it did can still be taken back; json = all of it');
INSERT INTO about VALUES('seal','proof that nothing was changed later: hash = SHA-256, in hexadecimal, of the hash of the row before (64 zeros before the first), a line feed, kind, a line feed, key, a line feed, content. What has changed since is sealed again');
INSERT INTO about VALUES('span_second, span_minute, span_hour, span_day','what each stretch of that length held, for each service. Each second is in all four; seconds are kept for an hour, minutes for 2 days, hours for 90 days, days (of UTC) for 5 years');
INSERT INTO about VALUES('times','milliseconds since 1970-01-01T00:00:00Z; in the shell: datetime(start / 1000, ''unixepoch'')');
INSERT INTO about VALUES('unsealed_day','days that have changed since they were sealed');
INSERT INTO about VALUES('up, down, planned, unknown','milliseconds: the service was up; it was down and that was not planned; announced maintenance; nobody watched');
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES('batch','90522747de480333');
INSERT INTO meta VALUES('complete_day','1638144000000');
INSERT INTO meta VALUES('complete_hour','1788134400000');
INSERT INTO meta VALUES('complete_minute','1795741200000');
INSERT INTO meta VALUES('complete_second','1795912620000');
INSERT INTO meta VALUES('keeper','7374dd5219391080');
INSERT INTO meta VALUES('until','1795916268970');
CREATE TABLE service (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, since INTEGER NOT NULL) STRICT;
INSERT INTO service VALUES(1,'api',1795916244000);
CREATE TABLE incident (id INTEGER PRIMARY KEY, service INTEGER NOT NULL REFERENCES service, began INTEGER NOT NULL,
 detected INTEGER NOT NULL, ended INTEGER, is_cut INTEGER NOT NULL, lasted_ms INTEGER NOT NULL, down_ms INTEGER NOT NULL,
 rto_ms INTEGER NOT NULL, cause TEXT NOT NULL, cause_text TEXT NOT NULL, backends TEXT NOT NULL, actions TEXT NOT NULL,
 lost INTEGER NOT NULL, good INTEGER NOT NULL) STRICT;
INSERT INTO incident VALUES(1,1,1795916248270,1795916248270,1795916253366,0,5096,5096,60000,'check','127.0.0.1:29433 down: connection refused','["127.0.0.1:29433"]','[[1795916248484,"attempt 1: custom against unresponsive has begun; effectiveness 0.50 for unresponsive here (never tried); there is no other"],[1795916248484,"nothing is done about unresponsive: custom: attempts under way: 1, of 1 at most"],[1795916248519,"attempt 1: custom is done, exit code 0 after 0.0 s; waiting until the service is seen well"],[1795916253365,"127.0.0.1:29433: backend is up: status 200"],[1795916253365,"enough backends are well again"],[1795916253365,"a backend can be used again"]]',0,0);
CREATE TABLE note (id INTEGER PRIMARY KEY AUTOINCREMENT, incident INTEGER NOT NULL, at INTEGER NOT NULL, who TEXT NOT NULL, text TEXT NOT NULL) STRICT;
INSERT INTO note VALUES(1,1,1795916266956,'127.0.0.1','the switch was replaced');
CREATE TABLE gap (id INTEGER PRIMARY KEY, start INTEGER NOT NULL, end INTEGER NOT NULL, why TEXT NOT NULL, file TEXT) STRICT;
CREATE TABLE clock_jump (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, by_ms INTEGER NOT NULL) STRICT;
CREATE TABLE maintenance (id INTEGER PRIMARY KEY, service INTEGER NOT NULL REFERENCES service, start INTEGER NOT NULL,
 end INTEGER NOT NULL, reason TEXT NOT NULL, who TEXT NOT NULL) STRICT;
CREATE TABLE event (number INTEGER PRIMARY KEY AUTOINCREMENT, id INTEGER NOT NULL, time INTEGER NOT NULL, kind TEXT NOT NULL,
 level TEXT NOT NULL, service TEXT, backend TEXT, json TEXT NOT NULL) STRICT;
INSERT INTO event VALUES(1,1795916244882708,1795916244892,'listener_added','info',NULL,NULL,'{"cause":{"address":"127.0.0.1:29432","protocol":"http","tls":false},"id":1795916244882708,"kind":"listener_added","level":"info","listener":"web","text":"listening at 127.0.0.1:29432","time":"2026-11-29T01:37:24.892Z"}');
INSERT INTO event VALUES(2,1795916244882709,1795916244895,'process_ready','info',NULL,NULL,'{"cause":{"pid":9096,"version":"0.2.0"},"id":1795916244882709,"kind":"process_ready","level":"info","text":"ready","time":"2026-11-29T01:37:24.895Z"}');
CREATE TABLE kept (room TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (room, key)) STRICT, WITHOUT ROWID;
INSERT INTO kept VALUES('learned','unresponsive:api','{"course":[[1.7501276726663169,0.0],[0.0,0.0],[0.0,0.0],[0.0,0.0],[0.0,0.0],[0.0,0.0],[0.0,0.0],[0.0,0.0],[0.0,0.0],[0.0,0.0],[0.0,0.0],[0.0,0.0],[0.0,0.0],[0.0,0.0],[0.0,0.0],[0.0,0.0],[0.0,0.0],[0.0,0.0],[0.0,0.0],[0.0,0.0],[0.0,0.0],[0.0,0.0],[0.0,0.0],[0.0,0.0]],"strategies":{"custom":{"effectiveness":0.55,"attempts":1,"successes":1,"credited":1,"history":{"helped":1.0,"failed":0.0}}}}',1795916253689);
INSERT INTO kept VALUES('process','ended','stopped',1795916268970);
INSERT INTO kept VALUES('promise','api','{"tier":"Standard","target":0.999,"rto":{"secs":60,"nanos":0},"rpo":{"secs":1,"nanos":0},"mttr":{"secs":300,"nanos":0},"mtbf":{"secs":2592000,"nanos":0},"window":{"Rolling":{"secs":2592000,"nanos":0}},"latency":null,"floor":0.95,"protect":false}',1795916245007);
CREATE TABLE seal (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, content TEXT NOT NULL, hash TEXT NOT NULL) STRICT;
INSERT INTO seal VALUES(1,'recovery','1','{"id":1,"service":"api","backend":null,"fault":"unresponsive","strategy":"custom","start":1795916248484,"ended":1795916254445,"outcome":"healed","dry_run":0,"in_force":0,"json":"{\"id\":1,\"service\":\"api\",\"backend\":null,\"fault\":\"unresponsive\",\"confidence\":0.9,\"votes\":[{\"by\":\"availability\",\"text\":\"none of its primary backends can be used\"}],\"strategy\":\"custom\",\"kind\":\"custom\",\"why\":\"custom: effectiveness 0.50 for unresponsive here (never tried); there is no other\",\"number\":1,\"brakes\":[{\"by\":\"paused\",\"text\":\"recovery is not paused\"},{\"by\":\"ledger\",\"text\":\"the ledger can be written\"},{\"by\":\"not_leader\",\"text\":\"no other instance is to act\"},{\"by\":\"maintenance\",\"text\":\"no maintenance\"},{\"by\":\"taken_out\",\"text\":\"nobody has taken it out of use\"},{\"by\":\"explained\",\"text\":\"no change of late explains it\"},{\"by\":\"same_subject\",\"text\":\"no other attempt is under way for it\"},{\"by\":\"same_kind\",\"text\":\"no other custom\"},{\"by\":\"max_at_once\",\"text\":\"attempts under way: 0, of 1 at most\"},{\"by\":\"max_disrupted\",\"text\":\"0 of 1 backends are under repair besides, of 34 % at most\"},{\"by\":\"max_unhealthy\",\"text\":\"1 of 1 backends are unhealthy, of 40 % at most\"},{\"by\":\"last_usable\",\"text\":\"other backends that can be used: 0\"},{\"by\":\"blip\",\"text\":\"the fault is 214 ms old, of 200 ms at least\"},{\"by\":\"attempts\",\"text\":\"0 of 3 attempts of custom against this fault\"},{\"by\":\"taken_back\",\"text\":\"nobody has taken it back\"},{\"by\":\"per_hour\",\"text\":\"0 of 10 attempts within the last 3600 s\"},{\"by\":\"cool_down\",\"text\":\"no attempt against this fault has helped or was broken off lately\"},{\"by\":\"delay\",\"text\":\"it is the first attempt against this fault\"}],\"dry_run\":false,\"phase\":\"ended\",\"raised\":1795916248270,\"start\":1795916248484,\"acted\":1795916248491,\"end\":1795916254445,\"outcome\":\"healed\",\"recovery_ms\":5096,\"credited\":true,\"lesson\":\"credited for now: whether such faults pass by themselves within 35 s has not been seen yet; effectiveness 0.55 (1 of 1 attempts)\",\"what\":\"true\",\"act\":{\"what\":\"true\",\"ok\":true,\"code\":0,\"error\":\"\",\"took_ms\":2,\"output\":\"\",\"left_out\":0},\"undo\":null,\"who\":null,\"in_force\":false,\"backends\":1}"}','9fa241fd3c0aeb733e4d7c1768e7343ec9197de95d07501fdd99ce66ad035325');
INSERT INTO seal VALUES(2,'incident','1','{"id":1,"service":"api","began":1795916248270,"detected":1795916248270,"ended":1795916253366,"is_cut":0,"lasted_ms":5096,"down_ms":5096,"rto_ms":60000,"cause":"check","cause_text":"127.0.0.1:29433 down: connection refused","backends":"[\"127.0.0.1:29433\"]","actions":"[[1795916248484,\"attempt 1: custom against unresponsive has begun; effectiveness 0.50 for unresponsive here (never tried); there is no other\"],[1795916248484,\"nothing is done about unresponsive: custom: attempts under way: 1, of 1 at most\"],[1795916248519,\"attempt 1: custom is done, exit code 0 after 0.0 s; waiting until the service is seen well\"],[1795916253365,\"127.0.0.1:29433: backend is up: status 200\"],[1795916253365,\"enough backends are well again\"],[1795916253365,\"a backend can be used again\"]]","lost":0,"good":0}','24f9674da25116c30561627604ab5d4a9b826b2ce1cc803cb2a8eaf26952b790');
INSERT INTO seal VALUES(3,'note','1','{"id":1,"incident":1,"at":1795916266956,"who":"127.0.0.1","text":"the switch was replaced"}','c0aa62f42648eed97aaf9c8e7ff4834d6d263f3c506d76dde101427c688438ef');
CREATE TABLE unsealed_day (start INTEGER PRIMARY KEY) STRICT;
INSERT INTO unsealed_day VALUES(1795910400000);
CREATE TABLE recovery (id INTEGER PRIMARY KEY, service INTEGER NOT NULL REFERENCES service, backend TEXT, fault TEXT NOT NULL,
 strategy TEXT NOT NULL, start INTEGER NOT NULL, end INTEGER, outcome TEXT, dry_run INTEGER NOT NULL, in_force INTEGER NOT NULL,
 json TEXT NOT NULL) STRICT;
INSERT INTO recovery VALUES(1,1,NULL,'unresponsive','custom',1795916248484,1795916254445,'healed',0,0,'{"id":1,"service":"api","backend":null,"fault":"unresponsive","confidence":0.9,"votes":[{"by":"availability","text":"none of its primary backends can be used"}],"strategy":"custom","kind":"custom","why":"custom: effectiveness 0.50 for unresponsive here (never tried); there is no other","number":1,"brakes":[{"by":"paused","text":"recovery is not paused"},{"by":"ledger","text":"the ledger can be written"},{"by":"not_leader","text":"no other instance is to act"},{"by":"maintenance","text":"no maintenance"},{"by":"taken_out","text":"nobody has taken it out of use"},{"by":"explained","text":"no change of late explains it"},{"by":"same_subject","text":"no other attempt is under way for it"},{"by":"same_kind","text":"no other custom"},{"by":"max_at_once","text":"attempts under way: 0, of 1 at most"},{"by":"max_disrupted","text":"0 of 1 backends are under repair besides, of 34 % at most"},{"by":"max_unhealthy","text":"1 of 1 backends are unhealthy, of 40 % at most"},{"by":"last_usable","text":"other backends that can be used: 0"},{"by":"blip","text":"the fault is 214 ms old, of 200 ms at least"},{"by":"attempts","text":"0 of 3 attempts of custom against this fault"},{"by":"taken_back","text":"nobody has taken it back"},{"by":"per_hour","text":"0 of 10 attempts within the last 3600 s"},{"by":"cool_down","text":"no attempt against this fault has helped or was broken off lately"},{"by":"delay","text":"it is the first attempt against this fault"}],"dry_run":false,"phase":"ended","raised":1795916248270,"start":1795916248484,"acted":1795916248491,"end":1795916254445,"outcome":"healed","recovery_ms":5096,"credited":true,"lesson":"credited for now: whether such faults pass by themselves within 35 s has not been seen yet; effectiveness 0.55 (1 of 1 attempts)","what":"true","act":{"what":"true","ok":true,"code":0,"error":"","took_ms":2,"output":"","left_out":0},"undo":null,"who":null,"in_force":false,"backends":1}');
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('event',18);
INSERT INTO sqlite_sequence VALUES('note',1);
CREATE INDEX incident_began ON incident (began);
CREATE INDEX note_incident ON note (incident);
CREATE INDEX event_time ON event (time);
CREATE INDEX event_service ON event (service, time);
CREATE INDEX seal_key ON seal (kind, key);
CREATE VIEW day AS SELECT date(d.start / 1000, 'unixepoch') AS day, s.name AS service, d.up, d.down, d.planned, d.unknown,
 100.0 * d.up / nullif(d.up + d.down, 0) AS percent_by_time, d.good, d.failed, d.slow, d.excluded,
 100.0 * d.good / nullif(d.good + d.failed + d.slow, 0) AS percent_by_requests
 FROM span_day d JOIN service s ON s.id = d.service ORDER BY d.start, s.name;
CREATE INDEX recovery_start ON recovery (start);
COMMIT;
PRAGMA application_id = 1165380460;
PRAGMA user_version = 2;
