//! The keeper of a store of limits: carries reports there and answers back, and finds out whether the answers can be relied on.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use metrics::{Gauge, gauge};
use redis::{Cmd, Pipeline, Value};
use tokio::sync::watch;
use tokio::time::{sleep, sleep_until, timeout};

use super::super::connect::{Connection, Target, said};
use super::super::outage::Outage;
use super::super::trial::Trial;
use super::instances::{Instances, Seen};
use super::script;
use super::{FAREWELL, SharedRateLimit};
use crate::clock::{self, Moment};
use crate::config::model::RateLimitStore;
use crate::limit::{Answer, Report, Reporter};
use crate::metrics::names;

/// How often reports are made.
const EVERY: Duration = Duration::from_millis(100);
/// About how many keys at a time, over all limits of a store; the others wait for their turn.
const MOST: usize = 4_096;
/// Keys in one run of the script, which nobody else's command comes between.
const AT_ONCE: usize = 128;
/// A connection without an answer for so long is given up.
const LIMIT: Duration = Duration::from_secs(2);
/// The pause after a connection that was not made or that broke; it doubles up to the greatest.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A store has to be unusable for so long before that is told.
const PATIENCE: Duration = Duration::from_millis(500);

/// Keeps one store, on a thread of its own.
pub(super) struct Keeper {
    target: Arc<Target>,
    in_time: Duration,
    prefix: String,
    /// Names this instance among the others.
    id: String,
    limits: watch::Receiver<Vec<SharedRateLimit>>,
    /// In the order of the limits, with what they are of.
    reporters: Vec<(u64, Reporter)>,
    /// Counts collections.
    round: usize,
    outage: Outage,
    trial: Trial,
    instances: Instances,
    is_up: bool,
    /// Since when it is not up, and why, as long as that is not told.
    untold: Option<(Instant, String)>,
    up: Gauge,
    seen: Gauge,
    lag: Gauge,
}

/// Reports that belong together: the limit's place, the name in the store, and the report.
type Reports = Vec<(usize, String, Report)>;

/// What a store has answered to one run of the script.
type Answered = (Seen, Vec<Answer>);

impl Keeper {
    pub(super) fn new(
        target: Target,
        by: &RateLimitStore,
        limits: watch::Receiver<Vec<SharedRateLimit>>,
        outage: Outage,
    ) -> Self {
        let name = || by.store.shown();
        Self {
            target: Arc::new(target),
            in_time: by.store.time_limit,
            prefix: by.prefix.clone(),
            id: format!("{:016x}", fastrand::u64(..)),
            limits,
            reporters: Vec::new(),
            round: 0,
            outage,
            trial: Trial::default(),
            instances: Instances::default(),
            is_up: false,
            untold: None,
            up: gauge!(names::LIMIT_STORE_UP.name, "store" => name()),
            seen: gauge!(names::LIMIT_STORE_INSTANCES.name, "store" => name()),
            lag: gauge!(names::LIMIT_STORE_LAG.name, "store" => name()),
        }
    }

    /// Keeps it until nobody needs it any more.
    pub(super) async fn run(mut self) {
        let mut pause = PAUSE;
        self.up.set(0.0);
        loop {
            let target = Arc::clone(&self.target);
            let reason = match self.meanwhile(async move { target.connect().await }).await {
                None => break,
                Some(Err(reason)) => reason,
                Some(Ok(connection)) => match self.keep(&connection, &mut pause).await {
                    None => break,
                    Some(reason) => reason,
                },
            };
            self.is_down(&reason);
            if self.meanwhile(sleep(pause)).await.is_none() {
                break;
            }
            pause = LONGEST_PAUSE.min(pause * 2);
        }
        // whoever holds a table that is not kept any more has its share of the limit
        self.divide();
    }

    /// Waits for something that is no report, and drops what is counted meanwhile: it was allowed within this instance's share. `None` = nobody needs the
    /// store any more.
    async fn meanwhile<T>(&mut self, wait: impl Future<Output = T>) -> Option<T> {
        let mut wait = pin!(wait);
        loop {
            tokio::select! {
                done = &mut wait => return Some(done),
                () = sleep(EVERY) => {
                    self.collect();
                    self.tell();
                }
                changed = self.limits.changed() => changed.ok()?,
            }
        }
    }

    /// Uses a connection until it breaks, and says why; `None` = nobody needs the store any more.
    async fn keep(&mut self, connection: &Connection, pause: &mut Duration) -> Option<String> {
        let mut next = Instant::now();
        let (mut collected, mut took) = (next, Duration::ZERO);
        loop {
            tokio::select! {
                () = sleep_until(next.into()) => {}
                changed = self.limits.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => {
                        let farewell = script::leave(&script::members(&self.prefix), &self.id);
                        let _ = timeout(FAREWELL, send(connection, &[farewell])).await;
                        return None;
                    }
                },
            }
            next += EVERY;
            let reports = self.collect();
            let (began, since) = (Instant::now(), std::mem::replace(&mut collected, Instant::now()));
            let answers = self.ask(connection, &reports, since.elapsed() + took).await;
            connection.unread.store(0, Relaxed);
            let answers = match answers {
                Ok(answers) => answers,
                Err(reason) => return Some(reason),
            };
            next = next.max(Instant::now());
            took = began.elapsed();
            // also where it comes late: it is told once
            if answers.iter().any(|(seen, _)| seen.is_new) {
                self.reporters.iter_mut().for_each(|(_, reporter)| reporter.tell_all());
            }
            let in_time = took <= self.in_time;
            if in_time {
                self.learn(&reports, answers);
                self.lag.set(since.elapsed().as_secs_f64());
            }
            if !self.is_up {
                self.trial.answered(in_time);
                self.tell();
                if self.trial.is_passed() {
                    self.is_up();
                    *pause = PAUSE;
                }
            }
        }
    }

    /// Sends reports and waits for the answers; when they are late, this instance has its share of each limit from then on.
    async fn ask(
        &mut self,
        connection: &Connection,
        reports: &Reports,
        late: Duration,
    ) -> Result<Vec<Answered>, String> {
        let members = script::members(&self.prefix);
        let command = |chunk: &[(usize, String, Report)]| {
            script::command(&members, &self.id, late, chunk.iter().map(|(_, name, report)| (name, report)))
        };
        let commands: Vec<Cmd> = chunks(reports).map(command).collect();
        let mut answers = pin!(async {
            let values = send(connection, &commands).await?;
            values.into_iter().zip(chunks(reports)).map(|(value, chunk)| script::read(value, chunk.len())).collect()
        });
        let late = tokio::select! {
            answers = &mut answers => return answers,
            () = sleep(self.in_time) => format!("it does not answer within {} ms", self.in_time.as_millis()),
        };
        self.is_down(&late);
        match self.meanwhile(timeout(LIMIT, answers)).await {
            Some(Ok(answers)) => answers,
            _ => Err(format!("it does not answer within {} s", LIMIT.as_secs())),
        }
    }

    /// Takes what there is to report from all tables.
    fn collect(&mut self) -> Reports {
        let limits = self.limits.borrow_and_update().clone();
        if !limits.iter().map(|limit| limit.scope).eq(self.reporters.iter().map(|(scope, _)| *scope)) {
            self.reporters = limits.iter().map(|limit| (limit.scope, Reporter::default())).collect();
        }
        // tables that have come by a reload stand as all others do
        limits.iter().for_each(|limit| match self.is_up {
            true => limit.table.unite(self.instances.present(), self.instances.all()),
            false => limit.table.divide(self.instances.all()),
        });
        let (now, count, mut left) = (clock::monotonic(Instant::now()), limits.len(), MOST);
        self.round = self.round.wrapping_add(1);
        let mut reports = Vec::new();
        // equal parts at first; those that have more share what the others have left over, each time another one first
        for part in [(MOST / count.max(1)).max(1), MOST] {
            for place in (0..count).map(|step| (self.round + step) % count) {
                let (limit, (_, reporter)) = (&limits[place], &mut self.reporters[place]);
                if left == 0 {
                    return reports;
                }
                let found = reporter.collect(&limit.table, limit.rate, part.min(left), now);
                left = left.saturating_sub(found.len());
                let name = |report: &Report| script::name(&self.prefix, limit.scope, report.key);
                reports.extend(found.into_iter().map(|report| (place, name(&report), report)));
            }
        }
        reports
    }

    /// Sets the tables right by the answers.
    fn learn(&mut self, reports: &Reports, answers: Vec<Answered>) {
        let now = clock::monotonic(Instant::now());
        let limits = self.limits.borrow();
        for (chunk, (seen, answers)) in chunks(reports).zip(answers) {
            self.instances.told(seen, now);
            for ((place, _, report), answer) in chunk.iter().zip(answers) {
                if let (Some(limit), Some((scope, reporter))) = (limits.get(*place), self.reporters.get(*place))
                    && limit.scope == *scope
                {
                    reporter.learn(&limit.table, limit.rate, report, answer, now);
                }
            }
        }
        self.seen.set(f64::from(self.instances.all()));
    }

    fn is_up(&mut self) {
        self.is_up = true;
        self.untold = None;
        self.trial.up(Moment::now());
        let (present, all) = (self.instances.present(), self.instances.all());
        self.limits.borrow().iter().for_each(|limit| limit.table.unite(present, all));
        self.up.set(1.0);
        self.outage.is_over();
    }

    fn is_down(&mut self, reason: &str) {
        if std::mem::replace(&mut self.is_up, false) {
            self.trial.down(Moment::now());
            self.up.set(0.0);
        }
        self.instances.is_untold();
        self.divide();
        self.untold.get_or_insert_with(|| (Instant::now(), reason.to_owned()));
        self.tell();
    }

    /// Tells that it is not up, once it is so for long enough.
    fn tell(&mut self) {
        if let Some((_, reason)) = self.untold.as_ref().filter(|(since, _)| since.elapsed() >= PATIENCE) {
            self.outage.began(reason);
        }
    }

    fn divide(&self) {
        self.limits.borrow().iter().for_each(|limit| limit.table.divide(self.instances.all()));
    }
}

/// The reports that one run of the script takes. There is a run without any, too: it says that this instance is there.
fn chunks(reports: &Reports) -> impl Iterator<Item = &[(usize, String, Report)]> {
    reports.chunks(AT_ONCE).chain(reports.is_empty().then_some(&[][..]))
}

/// Sends commands together, and waits for their answers, none of which is an error.
async fn send(connection: &Connection, commands: &[Cmd]) -> Result<Vec<Value>, String> {
    let mut pipeline = Pipeline::with_capacity(commands.len());
    commands.iter().for_each(|command| _ = pipeline.add_command(command.clone()));
    let mut connection = connection.commands.clone();
    let answers = connection.send_packed_commands(&pipeline, 0, commands.len()).await;
    let answers = answers.map_err(|error| format!("the connection broke: {}", said(&error)))?;
    let refused = answers.iter().find_map(|answer| match answer {
        Value::ServerError(error) => Some(format!("it refuses: {}", super::super::connect::told(error))),
        _ => None,
    });
    refused.map_or(Ok(answers), Err)
}
