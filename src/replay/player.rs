//! The detection of one service, run over its rows: those of a moment are one look.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::event::{Event, What, Whom};
use super::reader::Row;
use crate::detect::sample::Sample;
use crate::detect::service::{Backend, Changes, Detection, Input, Settings};

/// More backends in one service are no backends.
const MOST_BACKENDS: usize = 10_000;
/// How long the backends of the first look have been there: a recording seldom begins with a start.
const LONG_AGO: Duration = Duration::from_secs(3600);
/// A backend that had no row for more looks than this has been away, and joins anew.
const AWAY: u32 = 3;
/// What a backend is called where rows don't name one.
const NAMELESS: &str = "backend";

/// The detection of one service.
pub struct Player {
    service: Arc<str>,
    settings: Settings,
    /// The hosts and zones of backends, where they are known.
    known: Vec<Backend>,
    detection: Detection,
    backends: Vec<Seen>,
    places: HashMap<Arc<str>, usize>,
    look: Look,
    /// The latest time between two rows of the same backend.
    period: Duration,
}

/// The rows that are being gathered.
#[derive(Debug, Default)]
struct Look {
    /// When it began, and how many rows it has; 0 = there is no row yet.
    began: Duration,
    rows: usize,
    /// When the look before began.
    before: Option<Duration>,
}

/// A backend that has been seen.
#[derive(Debug)]
struct Seen {
    id: Arc<str>,
    /// What its row of this look says.
    sample: Option<Sample>,
    joined: Duration,
    /// The time of its latest row.
    last: Duration,
    /// Looks without a row of it.
    away: u32,
    is_ejected: bool,
    is_accused: bool,
}

impl Player {
    /// Nothing has been seen.
    pub fn new(service: Arc<str>, settings: Settings, known: Vec<Backend>) -> Self {
        let detection = Detection::new(settings.clone(), Vec::new());
        let period = settings.interval;
        let (backends, places, look) = (Vec::new(), HashMap::new(), Look::default());
        Self { service, settings, known, detection, backends, places, look, period }
    }

    /// How many backends have been seen.
    pub fn backends(&self) -> usize {
        self.backends.len()
    }

    /// How many verdicts hold.
    pub fn holding(&self) -> usize {
        self.detection.verdicts().len()
    }

    /// Takes in a row. When it does not belong to the look that is being gathered, that look is judged first.
    ///
    /// # Errors
    ///
    /// What is wrong with the row.
    pub fn row(&mut self, row: &Row, tell: &mut dyn FnMut(Event)) -> Result<(), String> {
        let sample = row.figures.sample()?;
        let latest = if self.look.rows > 0 { Some(self.look.began) } else { self.look.before };
        if latest.is_some_and(|latest| row.time < latest) {
            return Err("the time goes back: the rows have to be in the order of their times".to_owned());
        }
        let place = self.places.get(&*row.backend).copied();
        let is_here = place.is_some_and(|at| self.backends[at].sample.is_some());
        if is_here && row.time == self.look.began {
            return Err(format!("the backend `{}` has two rows of the same time", row.backend));
        }
        // rows that were taken one after the other, a moment apart, are one look
        let is_over = row.time > self.look.began + self.period / 3;
        if self.look.rows > 0 && (is_here || is_over) {
            self.judge(tell);
        }
        if self.look.rows == 0 {
            self.look.began = row.time;
        }
        let at = place.map_or_else(|| self.add(row), Ok)?;
        self.look.rows += 1;
        let seen = &mut self.backends[at];
        if seen.away > AWAY {
            seen.joined = row.time;
        }
        if place.is_some() {
            self.period = row.time.saturating_sub(seen.last);
        }
        (seen.away, seen.last, seen.sample) = (0, row.time, Some(sample));
        Ok(())
    }

    /// There are no more rows: the last look is judged.
    pub fn end(&mut self, tell: &mut dyn FnMut(Event)) {
        if self.look.rows > 0 {
            self.judge(tell);
        }
    }

    fn add(&mut self, row: &Row) -> Result<usize, String> {
        let at = self.backends.len();
        if at >= MOST_BACKENDS {
            return Err(format!("more than {MOST_BACKENDS} backends: is `backend` the right column?"));
        }
        let id: Arc<str> = row.backend.as_str().into();
        let shown = if id.is_empty() { NAMELESS.into() } else { Arc::clone(&id) };
        let joined = if self.look.before.is_none() { row.time.saturating_sub(LONG_AGO) } else { row.time };
        self.places.insert(id, at);
        self.backends.push(Seen {
            id: shown,
            sample: None,
            joined,
            last: row.time,
            away: 0,
            is_ejected: false,
            is_accused: false,
        });
        Ok(at)
    }

    fn judge(&mut self, tell: &mut dyn FnMut(Event)) {
        let now = self.look.began;
        self.tell_of_new_ones();
        let samples = self.samples(now);
        let lasted = self.look.before.map_or(self.settings.interval, |before| now - before);
        let changes = self.detection.observe(&Input { now, lasted, samples: &samples, dependencies: &[] });
        self.tell(now, changes, tell);
        self.look = Look { began: now, rows: 0, before: Some(now) };
    }

    /// Backends that have come since the look before.
    fn tell_of_new_ones(&mut self) {
        let before = self.detection.backends().len();
        if before == self.backends.len() {
            return;
        }
        let backend = |seen: &Seen| {
            let known = self.known.iter().find(|known| known.id == seen.id).cloned();
            known.unwrap_or_else(|| Backend { id: Arc::clone(&seen.id), host: host(&seen.id), zone: "".into() })
        };
        let backends: Vec<Backend> = self.backends.iter().map(backend).collect();
        let places: Vec<Option<usize>> = (0..backends.len()).map(|at| Some(at).filter(|at| *at < before)).collect();
        // none of them goes
        _ = self.detection.update(self.settings.clone(), backends, &places);
    }

    /// The samples of this look. A backend without a row takes no part.
    fn samples(&mut self, now: Duration) -> Vec<Sample> {
        let mut samples = Vec::with_capacity(self.backends.len());
        for (at, seen) in self.backends.iter_mut().enumerate() {
            let Some(mut sample) = seen.sample.take() else {
                seen.away = seen.away.saturating_add(1);
                samples.push(Sample::default());
                continue;
            };
            if seen.is_ejected != sample.is_ejected {
                seen.is_ejected = sample.is_ejected;
                self.detection.forgive(at);
                if !sample.is_ejected {
                    seen.joined = now;
                }
            }
            sample.joined = now.saturating_sub(seen.joined);
            samples.push(sample);
        }
        samples
    }

    fn tell(&mut self, now: Duration, changes: Changes, tell: &mut dyn FnMut(Event)) {
        let event = |whom, what| Event { time: now, service: Arc::clone(&self.service), whom, what };
        for (at, seen) in self.backends.iter_mut().enumerate() {
            let accusation = self.detection.accusation(at);
            if let (Some(vote), false) = (accusation, seen.is_accused) {
                tell(event(Whom::Backend(Arc::clone(&seen.id)), What::Accused(vote.clone())));
            }
            seen.is_accused = accusation.is_some();
        }
        let whom = |subject: &_| Whom::of(subject, self.detection.backends());
        for verdict in changes.cleared {
            let held = now.saturating_sub(verdict.since);
            tell(event(whom(&verdict.subject), What::Cleared(verdict, held)));
        }
        for verdict in changes.raised {
            tell(event(whom(&verdict.subject), What::Raised(verdict)));
        }
        for (detector, why) in changes.left_out {
            tell(event(Whom::Service, What::LeftOut(detector, why)));
        }
    }
}

/// The host in an id that is an address with a port; empty = it is none.
fn host(id: &str) -> Arc<str> {
    match id.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => host.into(),
        _ => "".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::column::Column;
    use crate::replay::figures::Figures;

    fn row(ms: u64, backend: &str, requests: f64) -> Row {
        let mut figures = Figures::default();
        figures.set(Column::Requests, Some(requests));
        Row { time: Duration::from_millis(ms), service: String::new(), backend: backend.to_owned(), figures }
    }

    fn player() -> Player {
        Player::new("api".into(), Settings::default(), Vec::new())
    }

    /// When looks began, for rows of these times and backends.
    fn looks(rows: &[(u64, &str)]) -> Vec<u64> {
        let mut player = player();
        let mut began = Vec::new();
        for (ms, backend) in rows {
            player.row(&row(*ms, backend, 1.0), &mut |_| {}).unwrap();
            let this = u64::try_from(player.look.began.as_millis()).unwrap();
            if began.last() != Some(&this) {
                began.push(this);
            }
        }
        began
    }

    #[test]
    fn rows_of_a_moment_are_one_look() {
        assert_eq!(looks(&[(1000, "a"), (1000, "b"), (2000, "a"), (2000, "b")]), [1000, 2000]);
        assert_eq!(looks(&[(1000, "a"), (1040, "b"), (2010, "a"), (2050, "b")]), [1000, 2010], "a little apart");
        assert_eq!(looks(&[(1000, "a"), (1000, "b"), (2000, "b"), (3000, "a")]), [1000, 2000, 3000], "one is missing");
        let minutes =
            [(0, "a"), (900, "b"), (60_000, "a"), (60_900, "b"), (120_000, "a"), (120_900, "b"), (180_000, "b")];
        assert_eq!(looks(&minutes)[1..], [900, 60_000, 120_000, 180_000], "it learns how far apart looks are");
    }

    #[test]
    fn what_can_not_be_is_refused() {
        let mut player = player();
        let mut add = |ms, backend, requests| player.row(&row(ms, backend, requests), &mut |_| {});
        assert_eq!(add(1000, "a", 1.0), Ok(()));
        assert!(add(1000, "a", 1.0).unwrap_err().starts_with("the backend `a` has two rows"));
        assert_eq!(add(2000, "a", 1.0), Ok(()));
        assert!(add(1500, "b", 1.0).unwrap_err().starts_with("the time goes back"));
    }

    #[test]
    fn a_backend_that_comes_later_joins_and_one_that_comes_back_joins_anew() {
        let mut player = player();
        let joined = |player: &Player| player.backends.iter().map(|seen| seen.joined.as_secs()).collect::<Vec<_>>();
        for second in 10_000..10_020 {
            player.row(&row(second * 1000, "a", 1.0), &mut |_| {}).unwrap();
            if !(10_006..10_012).contains(&second) {
                player.row(&row(second * 1000, "b", 1.0), &mut |_| {}).unwrap();
            }
            if second > 10_002 {
                player.row(&row(second * 1000, "c", 1.0), &mut |_| {}).unwrap();
            }
        }
        player.end(&mut |_| {});
        assert_eq!(joined(&player), [6400, 10_012, 10_003]);
        assert_eq!(player.detection.backends().len(), 3);
    }

    #[test]
    fn hosts_are_known_from_addresses() {
        assert_eq!(&*host("10.0.0.1:80"), "10.0.0.1");
        assert_eq!(&*host("[::1]:80"), "[::1]");
        assert_eq!([&*host("web-1"), &*host("a:b"), &*host("a:")], [""; 3]);
    }
}
