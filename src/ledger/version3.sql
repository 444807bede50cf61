-- What came with version 3: ways to what one service has, the view of incidents for people, and words about each column.
CREATE INDEX incident_service ON incident (service, began);
CREATE INDEX recovery_service ON recovery (service, id);
CREATE VIEW incidents AS SELECT i.id, s.name AS service, strftime('%Y-%m-%d %H:%M:%S', i.began / 1000, 'unixepoch') AS began,
 strftime('%Y-%m-%d %H:%M:%S', i.ended / 1000, 'unixepoch') AS ended,
 CASE WHEN i.ended IS NULL THEN 'under way' WHEN i.is_cut THEN 'end not known' ELSE 'over' END AS state,
 i.lasted_ms / 1000.0 AS lasted_s, i.down_ms / 1000.0 AS down_s, i.rto_ms / 1000.0 AS rto_s,
 iif(i.lasted_ms <= i.rto_ms, 'yes', 'no') AS within_rto, (i.detected - i.began) / 1000.0 AS detected_after_s,
 i.cause, i.cause_text, (SELECT group_concat(b.value, ', ') FROM json_each(i.backends) b) AS backends,
 i.lost AS requests_lost, i.good AS requests_good,
 (SELECT group_concat(n.who || ': ' || n.text, '; ') FROM note n WHERE n.incident = i.id) AS notes
 FROM incident i JOIN service s ON s.id = i.service ORDER BY i.began, i.id;
INSERT OR REPLACE INTO about VALUES
 ('incidents', 'the table incident for people (a view): times of day are UTC, durations (_s) seconds; state = over, under way or end not known; within_rto = yes or no; detected_after_s = from the begin to when it was found. Which broke their RTO: SELECT * FROM incidents WHERE within_rto = ''no'''),
 ('day', 'the table span_day for people (a view): up, down, planned and unknown are milliseconds; percent_by_time = 100 x up / (up + down), percent_by_requests = 100 x good / (good + failed + slow)'),
 ('service', 'the services by their number: name; since = when the accounts of it begin'),
 ('incident', 'times in which a service was down: began, detected and ended (none = under way); is_cut = 1: ended is the last moment of which anybody knows, and the gap that begins there says why; lasted_ms and down_ms by a clock that is never set; rto_ms = within what time it was to be back; cause = verdict, check, operator, reload or unknown, and cause_text in words; backends = those that could not be used; actions = what was done meanwhile, each with its time; lost = requests that broke the promise meanwhile, good = requests that ended well'),
 ('note', 'what people wrote about incidents: incident = its id; at = when; who; text'),
 ('gap', 'times of which nobody knows, from start to end; why = stopped (the program was told to stop), crashed (it ended without a word), suspended (the machine slept), stalled (the program was kept from running), set_aside (the history before was damaged), restored (the history before is that of a copy) or moved (the file was taken from its place, and another one was written); file = where the history is that is missing here'),
 ('clock_jump', 'the clock was set: at = the time after it, by_ms = by how many milliseconds, negative = back'),
 ('maintenance', 'times in which a service was allowed to be away, from start to end, as somebody has announced: who, reason'),
 ('recovery', 'attempts to repair a service or a backend: fault = what was wrong, strategy = what was tried; start; end and outcome (none = under way); dry_run = 1: nothing was done; in_force = 1: what it did can still be taken back; json = all of it'),
 ('event', 'what happened, for 90 days: number = the order in which it was written; id = its number in the process that told it; time, kind, level, service, backend; json = all of it. The kind events_missed stands for events that are not here'),
 ('kept', 'what parts of the program must not forget: room = which part; key; value; at = when it was written'),
 ('seal', 'proof that nothing was changed later: seq = its place in the chain; kind and key = which row it is about; content = that row as JSON; hash = SHA-256, in hexadecimal, of the hash of the row before (64 zeros before the first), a line feed, kind, a line feed, key, a line feed, content. What has changed since is sealed again. The kind pruned says that history was deleted by hand'),
 ('unsealed_day', 'days that have changed since they were sealed: start'),
 ('meta', 'until = up to when time is accounted; keeper = which run of the program keeps the time; batches = the last that each run has written (batch = the same in files of version 2); borne_out = up to when the clock is believed: what is deleted for its age, and what days are sealed, goes by it; complete_second, _minute, _hour, _day = before this time rows of that level are not all there; pruned_before = history before was deleted by hand, pruned_told = up to where the program has told of that; sealed_before and its hash = where the chain of seals was cut');
